from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.catalog.shapes import (
    check_shapes,
    shape_document,
    shape_documents,
    shape_for,
    shape_names,
)
from edgedistill.catalog.yaml_file import yaml_text
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT: dict[str, Any] = {
    "schema_version": 1,
    "name": "my-engine-fp32",
    "engine": "my-engine",
    "precision": "fp32",
    "isa_levels": ["none", "dotprod"],
    "bytes_per_element": 4.0,
    "shape": {"rates": {"depthwise": 0.05}, "byte_macs": 5.0},
    "efficiency": 0.5,
    "spreads": {
        "macs_per_s": 0.3,
        "traffic": 0.3,
        "overhead": 0.3,
        "activation": 0.2,
        "depthwise": 0.15,
    },
    "intervals": {"data-sheet": {"low": 0.5, "high": 2.0}},
    "measurements": 12,
    "devices": ["a board"],
    "families": ["resnet"],
    "sources": ["measured on a desk"],
    "fitted_on": "2026-11-22",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shapes").mkdir()
    write(tmp_path)
    return tmp_path


def write(folder: Path, **changes: Any) -> Path:
    document = DOCUMENT | changes
    path = folder / "shapes" / f"{document['name']}.yaml"
    path.write_text(yaml_text(document), encoding="utf-8")
    return path


def test_every_shape_that_ships_is_valid() -> None:
    documents, faults = check_shapes()
    assert faults == ()
    assert [one.name for one in documents] == shape_names()
    for one in documents:
        assert shape_for(one.engine, one.precision, one.isa_levels[0]) is not None


def test_a_shape_of_ones_own_is_found_by_name(folder: Path) -> None:
    assert "my-engine-fp32" in shape_names([folder])
    assert shape_document("my-engine-fp32", [folder]).measurements == 12


def test_a_shape_is_found_by_runtime_precision_and_processor(folder: Path) -> None:
    found = shape_for("my-engine", "fp32", "dotprod", [folder])
    assert found is not None
    assert found.name == "my-engine-fp32"
    assert shape_for("my-engine", "fp32", "i8mm", [folder]) is None
    assert shape_for("my-engine", "int8", "dotprod", [folder]) is None
    assert shape_for("another", "fp32", "dotprod", [folder]) is None


def test_of_two_shapes_the_one_with_more_measurements_is_taken(folder: Path) -> None:
    write(folder, name="my-engine-fp32-new", measurements=13)
    found = shape_for("my-engine", "fp32", "none", [folder])
    assert found is not None
    assert found.name == "my-engine-fp32-new"


def test_an_unknown_shape_is_answered_with_the_nearest(folder: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'my-engine-fp32'"):
        shape_document("my-engine-fp23", [folder])


def test_all_faults_of_all_shapes_come_at_once(folder: Path) -> None:
    write(folder, name="one", efficiency=float("nan"), sources=[])
    write(folder, name="two").rename(folder / "shapes" / "three.yaml")
    documents, faults = check_shapes([folder])
    assert "my-engine-fp32" in [one.name for one in documents]
    message = "\n".join(map(str, faults))
    assert "one.yaml: efficiency: is not a finite number (given: nan)" in message
    assert "one.yaml: sources" in message
    assert "differs from the file's name" in message
    assert len(faults) == 3
    with pytest.raises(InputError) as caught:
        shape_documents([folder])
    assert caught.value.faults == faults


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        shape_names([tmp_path / "absent"])
