"""What counts as a parameter, so that a graph and its int8 twin have equally many.

An element of a constant tensor is a parameter when the tensor is

- real-valued: of a float type, or of an integer type that a DequantizeLinear or a quantized
  operator turns into real numbers;
- data: not a scale or a zero point, not an argument such as a bound of Clip or an exponent, not
  a running statistic of a normalization;
- not a lone number (rank 0), such as the 1/sqrt(d) of an attention layer.

Each tensor counts once, however many operators share it, and only if some operator uses it. For
an exported torch network that is the number of its `parameters()` once each convolution has
taken in its batch norm (weight and a bias in place of weight, scale and shift). A mask that the
exporter baked in as a float constant cannot be told from a parameter and counts.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from collections.abc import Iterable

_ARGUMENTS: dict[str, frozenset[int]] = {
    "BatchNormalization": frozenset({3, 4}),
    "Clip": frozenset({1, 2}),
    "DequantizeLinear": frozenset({1, 2}),
    "Dropout": frozenset({1, 2}),
    "Pad": frozenset({1, 2, 3}),
    "Pow": frozenset({1}),
    "QuantizeLinear": frozenset({1, 2}),
    "Resize": frozenset({1, 2, 3}),
}
"""Operator to the places of its inputs that are arguments, not data."""

_FLOATS = frozenset(
    {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.BFLOAT16,
        onnx.TensorProto.DOUBLE,
    }
)
_QUANTIZED = frozenset(
    {
        onnx.TensorProto.INT4,
        onnx.TensorProto.UINT4,
        onnx.TensorProto.INT8,
        onnx.TensorProto.UINT8,
        onnx.TensorProto.INT16,
        onnx.TensorProto.UINT16,
    }
)
_TAKES_INTEGER_BIAS = frozenset({"Conv", "ConvTranspose", "DequantizeLinear", "Gemm"})


def count_parameters(graph: onnx.GraphProto) -> int:
    """The number of parameters of a float graph, a QDQ graph, or a float twin."""
    constants = {tensor.name: tensor for tensor in _constants(graph)}
    counted: set[str] = set()
    dynamic_scales = {
        node.output[1] for node in graph.node if node.op_type == "DynamicQuantizeLinear"
    }
    for node in graph.node:
        if dynamic_scales.intersection(node.input):
            continue  # the product of a scale computed on the fly and a weight's scale
        arguments = _ARGUMENTS.get(node.op_type, frozenset())
        for place, name in enumerate(node.input):
            tensor = constants.get(name)
            if tensor is not None and place not in arguments and _is_data(tensor, node):
                counted.add(name)
    return sum(prod(constants[name].dims) for name in counted)


def _constants(graph: onnx.GraphProto) -> Iterable[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant":
            for item in node.attribute:
                if item.name == "value":
                    tensor = onnx.TensorProto()
                    tensor.CopyFrom(item.t)
                    tensor.name = node.output[0]
                    yield tensor


def _is_data(tensor: onnx.TensorProto, node: onnx.NodeProto) -> bool:
    if not tensor.dims:
        return False
    if tensor.data_type in _FLOATS or tensor.data_type in _QUANTIZED:
        return True
    return tensor.data_type == onnx.TensorProto.INT32 and node.op_type in _TAKES_INTEGER_BIAS
