from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from edgedistill.cost import file_precision

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def network() -> onnx.ModelProto:
    weight = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(weight, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_a_float_file_holds_float(network: onnx.ModelProto) -> None:
    assert file_precision(network) == "fp32"


def test_weights_in_half_precision_make_it_half(network: onnx.ModelProto) -> None:
    assert file_precision(convert_float_to_float16(network, keep_io_types=True)) == "fp16"


def test_one_quantizer_makes_it_int8_whatever_else_it_holds(
    network: onnx.ModelProto, tmp_path: Path
) -> None:
    float_file, dynamic = tmp_path / "float.onnx", tmp_path / "dynamic.onnx"
    onnx.save(network, float_file)
    quantize_dynamic(float_file, dynamic, weight_type=QuantType.QInt8)
    assert file_precision(onnx.load(dynamic)) == "int8"
    network.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), "scale"))
    network.graph.node.append(helper.make_node("QuantizeLinear", ["x", "scale"], ["q"]))
    network.graph.initializer.append(numpy_helper.from_array(np.float16(1), "half"))
    assert file_precision(network) == "int8"
