from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from diagnosed_graphs import float_network, saved
from onnx import TensorProto, helper

from edgedistill.cost.model_file import load_model, load_whole_model
from edgedistill.cost.tensors import tensor_fault, tensors_of
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = [kind for kind in TensorProto.DataType.values() if kind not in (0, TensorProto.STRING)]


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("kind", NUMBERS, ids=lambda kind: TensorProto.DataType.Name(kind))
def test_what_onnx_writes_is_sound_and_one_element_more_is_not(kind: int, raw: bool) -> None:
    values = np.arange(5).astype(helper.tensor_dtype_to_np_dtype(kind))
    tensor = onnx.numpy_helper.from_array(values, "a")
    assert tensor.data_type == kind
    if not raw:
        tensor = helper.make_tensor("a", kind, [5], values.tolist())
    assert tensor_fault(tensor) is None
    tensor.dims[0] = 50
    assert tensor_fault(tensor) is not None
    tensor.dims[0] = -5
    assert tensor_fault(tensor) == "has a negative size"


def test_text_is_counted() -> None:
    tensor = helper.make_tensor("a", TensorProto.STRING, [2], ["one", "two"])
    assert tensor_fault(tensor) is None
    tensor.dims[0] = 3
    assert tensor_fault(tensor) == "should hold 3 numbers and holds 2"


def test_weights_beside_the_file_are_those_that_onnx_itself_reads(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save_model(
        float_network(),
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="weights.bin",
        size_threshold=0,
    )
    whole = load_whole_model(path)
    assert whole.beside == (tmp_path / "weights.bin",)
    expected = {one.name: onnx.numpy_helper.to_array(one) for one in tensors_of(onnx.load(path))}
    found = {one.name: onnx.numpy_helper.to_array(one) for one in tensors_of(whole.model)}
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    with pytest.raises(InputError, match="keeps its weights in other files"):
        load_model(path)


def test_an_axis_of_minus_one_is_an_open_one(tmp_path: Path) -> None:
    model = float_network()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    loaded = load_model(saved(model, tmp_path))
    assert not loaded.graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value")
