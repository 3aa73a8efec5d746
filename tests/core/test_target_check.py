from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgedistill.catalog.profiles import load
from edgedistill.catalog.shapes import shape_documents
from edgedistill.core.target_check import estimate_rows, mismatches, shape_rows

if TYPE_CHECKING:
    from edgedistill.core.fitted import FittedCost

PI = load("raspberry-pi-4")
FILE = Path("board.yaml")


def with_shape(name: str) -> FittedCost:
    return PI.runtimes["cpu"].cost["fp32"].model_copy(update={"shape": name})


def changed(precision: str, shape: str) -> list[str]:
    cpu = PI.runtimes["cpu"].model_copy(update={"cost": {precision: with_shape(shape)}})
    profile = PI.model_copy(update={"runtimes": {"cpu": cpu}, "converted_runtimes": {}})
    return [str(fault) for fault in mismatches(profile, shape_documents(), FILE)]


def test_what_ships_names_shapes_that_exist() -> None:
    assert list(mismatches(PI, shape_documents(), FILE)) == []


@pytest.mark.parametrize(
    ("precision", "shape", "words"),
    [
        ("fp32", "nothing", "is not a known shape of the cost model (given: 'nothing')"),
        ("fp32", "tflite-cpu-fp32", "is a shape for tflite (given: 'tflite-cpu-fp32')"),
        ("int8", "onnxruntime-cpu-fp32", "is a shape for fp32"),
    ],
)
def test_a_shape_of_something_else_is_a_fault(precision: str, shape: str, words: str) -> None:
    (fault,) = changed(precision, shape)
    assert words in fault
    assert fault.startswith(f"board.yaml: runtimes.cpu.cost.{precision}.shape: ")


def test_the_shape_of_a_runtime_is_its_remedy() -> None:
    (fault,) = changed("fp32", "nothing")
    assert "Name one of: onnxruntime-cpu-fp32" in fault


def test_a_shape_has_a_row_for_each_tier() -> None:
    (document,) = [one for one in shape_documents() if one.name == "onnxruntime-cpu-fp32"]
    rows = list(shape_rows(document))
    assert [row.tier for row in rows] == list(document.intervals)
    assert all(row.mean_percent == document.errors[row.tier].mean_percent for row in rows)


def test_every_runtime_and_precision_has_a_row_with_figures_or_a_reason() -> None:
    rows = list(estimate_rows(PI, shape_documents()))
    runtimes = {**PI.runtimes, **PI.converted_runtimes}
    assert {(row.runtime, row.precision) for row in rows} == {
        (name, precision) for name, one in runtimes.items() for precision in one.precisions
    }
    for row in rows:
        assert (row.reason is None) == (row.interval_high is not None) == (row.method is not None)
