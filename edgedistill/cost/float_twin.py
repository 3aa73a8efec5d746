"""The float twin of a quantized graph: the same work, said in ONNX's standard float operators.

A quantized operator takes scales and zero points between its data inputs, and those of ONNX
Runtime's own domain are unknown to ONNX's shape inference. In the twin each of them is the float
operator it stands for, with its data inputs only. QuantizeLinear and DequantizeLinear stay: they
are standard; those of the runtime's own domain, which also know sixteen bits, become standard.
"""

from __future__ import annotations

from math import prod

import onnx

_UNARY = (0,)
_BINARY = (0, 3)

_TWINS: dict[str, tuple[str, tuple[int, ...]]] = {
    "ConvInteger": ("Conv", (0, 1)),
    "QLinearConv": ("Conv", (0, 3, 8)),
    "MatMulInteger": ("MatMul", (0, 1)),
    "QLinearMatMul": ("MatMul", _BINARY),
    "MatMulIntegerToFloat": ("MatMul", (0, 1)),
    "DynamicQuantizeMatMul": ("MatMul", (0, 1)),
    "QGemm": ("Gemm", (0, 3, 6)),
    "QLinearAdd": ("Add", _BINARY),
    "QLinearMul": ("Mul", _BINARY),
    "QLinearAveragePool": ("AveragePool", _UNARY),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", _UNARY),
    "QLinearLeakyRelu": ("LeakyRelu", _UNARY),
    "QLinearSigmoid": ("Sigmoid", _UNARY),
    "QLinearSoftmax": ("Softmax", _UNARY),
}
"""Quantized operator to its float twin and the places of the twin's inputs among its own."""

_STANDARD = frozenset({"DequantizeLinear", "QuantizeLinear"})

_MOST_ELEMENTS_OF_AN_ARGUMENT = 1024
_CONTRIB_ATTRIBUTES = ("channels_last", "opset", "per_channel", "symmetric")
_FIRST_OF_CONCAT = 2
_INPUTS_OF_CONCAT = 3


def is_quantized(operator: str) -> bool:
    """Whether an operator computes with integers that stand for real numbers."""
    return operator in _TWINS or operator == "QLinearConcat"


def float_twin(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model in which every quantized operator is the float operator it stands for.

    Shapes of the copy hold for the original, value by value; types need not. Its large constants
    have a name, a type and a shape, and no values.
    """
    twin = onnx.ModelProto(ir_version=model.ir_version)
    twin.opset_import.extend(model.opset_import)
    graph = twin.graph
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    graph.initializer.extend(_without_values(tensor) for tensor in model.graph.initializer)
    for node in twin.graph.node:
        if node.op_type == "QLinearConcat":
            _rewrite(node, "Concat", list(node.input[_FIRST_OF_CONCAT::_INPUTS_OF_CONCAT]))
        elif node.op_type in _STANDARD:
            node.domain = ""
        elif node.op_type in _TWINS:
            operator, places = _TWINS[node.op_type]
            given = [node.input[place] for place in places if place < len(node.input)]
            _rewrite(node, operator, given)
    return twin


def _without_values(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if is_argument(tensor):
        return tensor
    return onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)


def is_argument(tensor: onnx.TensorProto) -> bool:
    """Whether a constant is small enough to be axes, sizes or indices that shapes depend on."""
    return int(prod(tensor.dims)) <= _MOST_ELEMENTS_OF_AN_ARGUMENT


def _rewrite(node: onnx.NodeProto, operator: str, inputs: list[str]) -> None:
    attributes = [item for item in node.attribute if item.name not in _CONTRIB_ATTRIBUTES]
    if operator in ("Conv", "Gemm"):
        while inputs and not inputs[-1]:
            inputs.pop()
    name, outputs = node.name, list(node.output[:1])
    node.Clear()
    node.op_type, node.name = operator, name
    node.input.extend(inputs)
    node.output.extend(outputs)
    node.attribute.extend(attributes)
