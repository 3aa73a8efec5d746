from __future__ import annotations

import json
from typing import TYPE_CHECKING

import onnx
import pytest
from onnx import TensorProto, helper

from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.errors import InputError
from edgedistill.stages.export import (
    CLASS_NAMES_KEY,
    read_preprocessing,
    require_preprocessing,
)
from edgedistill.stages.export.contract import contract

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = Preprocessing(
    kind="image", color="rgb", layout="nchw", resize=(32, 32), scale=1 / 255, mean=(0.1, 0.2, 0.3)
)


def write(folder: Path, metadata: dict[str, str]) -> Path:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "ab"]
    graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", value[:1], value[1:])
    model = helper.make_model(graph)
    helper.set_model_props(model, metadata)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def class_names(file: Path) -> object:
    """What any reader of the file finds, by the onnx package alone."""
    entries = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    return json.loads(entries[CLASS_NAMES_KEY])


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    file = write(tmp_path, contract(PIXELS, ["Äpfel", 'the "other"']))

    assert read_preprocessing(file) == PIXELS
    assert class_names(file) == ["Äpfel", 'the "other"']
    require_preprocessing(file, PIXELS)


def test_a_foreign_file_declares_nothing_and_is_refused_where_it_must(tmp_path: Path) -> None:
    file = write(tmp_path, {"author": "someone"})

    assert read_preprocessing(file) is None
    with pytest.raises(InputError, match="does not say how its inputs are preprocessed"):
        require_preprocessing(file, PIXELS)


def test_every_key_that_differs_is_a_fault(tmp_path: Path) -> None:
    file = write(tmp_path, contract(PIXELS, ["a"]))
    other = PIXELS.model_copy(update={"scale": 1.0, "color": "bgr"})

    with pytest.raises(InputError) as caught:
        require_preprocessing(file, other)

    faults = {fault.field: fault for fault in caught.value.faults}
    assert set(faults) == {f"{METADATA_KEY}.scale", f"{METADATA_KEY}.color"}
    assert faults[f"{METADATA_KEY}.color"].given == '"rgb"'
    assert '"bgr"' in faults[f"{METADATA_KEY}.color"].problem


@pytest.mark.parametrize(
    "text",
    ["{", "[1]", '{"kind": "array", "sharpen": 2}', '{"kind": "array", "scale": NaN}', "null"],
    ids=["truncated", "list", "unknown key", "NaN", "null"],
)
def test_a_damaged_declaration_is_refused(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, {METADATA_KEY: text})

    with pytest.raises(InputError, match=r"model\.onnx"):
        read_preprocessing(file)


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\xff\xfe\xfd not a model")

    with pytest.raises(InputError, match="cannot be read as an ONNX model"):
        read_preprocessing(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="is not a file"):
        read_preprocessing(tmp_path / "absent.onnx")
    with pytest.raises(InputError, match="is not a file"):
        read_preprocessing(tmp_path)
