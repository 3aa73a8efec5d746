from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgedistill.core.operator_kind import Kind
from edgedistill.core.operator_times import OperatorClass
from edgedistill.cost.heavy_operators import FLOAT_OPERATORS, INT8_OPERATORS
from edgedistill.cost.operator_classes import (
    class_of_kind,
    computes_in_int8,
    depthwise_convolutions,
    operator_class,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("NhwcQLinearConv", "convolution"),
        ("QLinearConvTranspose", "convolution"),
        ("QOrderedMatMul", "matrix product"),
        ("FusedMatMulActivation", "matrix product"),
        ("QOrderedAttention", "attention"),
        ("QLinearGlobalAveragePool", "pooling"),
        ("NhwcMaxPool", "pooling"),
        ("QLinearSoftmax", "activation"),
        ("QLinearLeakyRelu", "activation"),
        ("BatchNormalization", "normalization"),
        ("QLinearConcat", "data movement"),
        ("QLinearWhere", "elementwise"),
        ("Pow", "elementwise"),
        ("Cast", "conversion"),
        ("DynamicQuantizeLinear", "conversion"),
        ("Loop", "other"),
        ("SomebodysOwn", "other"),
    ],
)
def test_the_runtimes_own_names_belong_where_their_plain_operator_does(
    operator: str, expected: str
) -> None:
    assert operator_class(operator) == expected


def test_every_heavy_operator_is_of_a_class_that_multiplies() -> None:
    heavy = {"convolution", "matrix product", "attention"}
    recurrent = {"GRU", "LSTM", "RNN", "DynamicQuantizeLSTM"}
    for operator in (FLOAT_OPERATORS | INT8_OPERATORS) - recurrent:
        assert operator_class(operator) in heavy, operator


def test_every_kind_of_the_cost_model_has_a_class() -> None:
    assert {class_of_kind(kind) for kind in Kind} == set(get_args(OperatorClass))


def test_int8_takes_and_gives_eight_bits() -> None:
    assert computes_in_int8("ConvInteger", ["uint8", "int8"], ["int32"])
    assert computes_in_int8("Transpose", ["uint8"], ["uint8"])
    assert not computes_in_int8("Gather", ["float", "uint8"], ["float"])
    assert not computes_in_int8("DequantizeLinear", ["uint8"], ["float"])
    assert not computes_in_int8("Transpose", [], [])


def test_depthwise_convolutions_are_found_with_and_without_quantizers(tmp_path: Path) -> None:
    def weight(name: str, shape: tuple[int, ...], dtype: type) -> onnx.TensorProto:
        return numpy_helper.from_array(np.ones(shape, dtype), name)

    nodes = [
        helper.make_node("Conv", ["input", "one"], ["a"], "float-depthwise", group=4),
        helper.make_node("DequantizeLinear", ["two", "scale"], ["two-real"], "back"),
        helper.make_node("Conv", ["a", "two-real"], ["b"], "int8-depthwise", group=4),
        helper.make_node("Conv", ["b", "grouped"], ["c"], "grouped-only", group=2),
        helper.make_node("Conv", ["c", "dense"], ["output"], "dense-on-grey"),
    ]
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [
            weight("one", (4, 1, 3, 3), np.float32),
            weight("two", (4, 1, 3, 3), np.int8),
            weight("scale", (), np.float32),
            weight("grouped", (4, 2, 1, 1), np.float32),
            weight("dense", (4, 1, 1, 1), np.float32),
        ],
    )
    file = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph), file)
    assert depthwise_convolutions(file) == {"float-depthwise", "int8-depthwise"}
