"""Which class of operators a node belongs to, by the names that graphs and ONNX Runtime use.

One table for both: what the runtime makes of a graph (QLinearConv, NhwcFusedConv) is told apart
from its plain operator by a prefix only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from edgedistill.core.operator_kind import Kind
from edgedistill.cost.heavy_operators import INT8_OPERATORS
from edgedistill.cost.step_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.core.operator_times import OperatorClass

_OF_KIND: dict[Kind, OperatorClass] = {
    Kind.POINTWISE: "convolution",
    Kind.CONV_3X3: "convolution",
    Kind.CONV_OTHER: "convolution",
    Kind.GROUPED: "convolution",
    Kind.DEPTHWISE: "depthwise convolution",
    Kind.MATMUL: "matrix product",
    Kind.ATTENTION: "attention",
    Kind.POOLING: "pooling",
    Kind.ELEMENTWISE: "elementwise",
    Kind.MOVEMENT: "data movement",
    Kind.NORMALIZATION: "normalization",
    Kind.SOFTMAX: "activation",
    Kind.SIGMOID: "activation",
    Kind.SILU: "activation",
    Kind.HARD_SWISH: "activation",
    Kind.GELU: "activation",
    Kind.RELU: "activation",
    Kind.QUANTIZE: "conversion",
    Kind.POSTPROCESSING: "other",
    Kind.FREE: "data movement",
}

_NAMES: dict[OperatorClass, str] = {
    "convolution": "Conv ConvInteger ConvTranspose ConvTransposeWithDynamicPads DeformConv",
    "matrix product": "DynamicQuantizeMatMul Einsum Gemm GemmFastGelu MatMul MatMulActivation "
    "MatMulInteger MatMulInteger16 MatMulIntegerToFloat MatMulNBits QGemm TransposeMatMul",
    "attention": "Attention DecoderMaskedMultiHeadAttention GroupQueryAttention "
    "LongformerAttention MultiHeadAttention PackedAttention PackedMultiHeadAttention QAttention",
    "normalization": "BatchNormalization EmbedLayerNormalization GroupNorm "
    "QEmbedLayerNormalization SimplifiedLayerNormalization SkipGroupNorm SkipLayerNormalization "
    "SkipSimplifiedLayerNormalization",
    "activation": "BiasGelu BiasSoftmax BiasSplitGelu FastGelu QuickGelu",
    "data movement": "ReorderInput ReorderOutput Shape Size",
    "conversion": "Cast CastLike",
    "other": "DynamicQuantizeLSTM GRU If LSTM Loop RNN Scan",
}
_OWN: dict[str, OperatorClass] = {
    name: named for named, names in _NAMES.items() for name in names.split()
}
_PREFIXES = ("Nhwc", "QOrdered", "QLinear", "Fused")
_EIGHT_BITS = ("int8", "uint8")


def operator_class(operator: str) -> OperatorClass:
    """The class of a node by its operator's name, in any domain of ONNX Runtime.

    A depthwise convolution has no name of its own and counts as a convolution here.

    >>> operator_class("NhwcFusedConv"), operator_class("QLinearAdd"), operator_class("MyOwn")
    ('convolution', 'elementwise', 'other')
    """
    for prefix in _PREFIXES:
        operator = operator.removeprefix(prefix)
    if operator in _OWN:
        return _OWN[operator]
    if operator in KINDS:
        return _OF_KIND[KINDS[operator]]
    return "elementwise" if onnx.defs.has(operator) else "other"


def class_of_kind(kind: Kind) -> OperatorClass:
    """The class of an operator that the cost model knows.

    >>> class_of_kind(Kind.POINTWISE)
    'convolution'
    """
    return _OF_KIND[kind]


def computes_in_int8(operator: str, inputs: Sequence[str], outputs: Sequence[str]) -> bool:
    """Whether a node multiplies eight-bit integers, or takes and gives nothing but such.

    Args:
        operator: Its operator's name.
        inputs: Types of the tensors it takes, the data first, as ONNX Runtime calls them.
        outputs: Types of the tensors it gives.

    >>> computes_in_int8("QGemm", ["uint8"], ["float"])
    True
    >>> computes_in_int8("QuantizeLinear", ["float"], ["uint8"])
    False
    """
    if operator in INT8_OPERATORS:
        return True
    return all(types[:1] and types[0] in _EIGHT_BITS for types in (inputs, outputs))


def depthwise_convolutions(model: Path) -> frozenset[str]:
    """Names of the nodes that are depthwise convolutions, float or between quantizers.

    Args:
        model: An ONNX file; weights beside it are not read.
    """
    graph = onnx.load_model(model, load_external_data=False).graph
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in shapes:
            shapes[node.output[0]] = shapes[node.input[0]]
    return frozenset(
        node.name
        for node in graph.node
        if node.op_type == "Conv"
        and any(one.name == "group" and one.i > 1 for one in node.attribute)
        and shapes.get(node.input[1], (0, 0))[1] == 1
    )
