"""Which operators of a graph get quantizers, so that the runtime fuses them and nothing is lost.

A heavy operator (convolution, matrix product) with weights is always quantized. Everything else is
quantized only inside an int8 region, that is where each of its data inputs already comes in int8:
the residual Add after two convolutions runs in int8, the residual stream of a transformer and its
bias Adds stay in float. Measured on an x86 processor with VNNI: a transformer whose Adds and
whose MatMul outputs stay in float is as fast (1.68x against 1.65x over fp32) and has half the
error, because MatMul gives float from int8 at no cost, which a convolution cannot.

A product of two activations, as in attention, stays in float: rounding both costs more than the
product saves. Measured on the same processor, 2 to 4 heads of 32 to 128 channels over 32 to 512
tokens: in int8 it takes 1.09 to 1.42 times as long, most for short sequences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import onnx

HEAVY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators that quantizing is for."""

FLOAT_OUTPUT = frozenset({"Gemm", "MatMul"})
"""Heavy operators that runtimes run in int8 whether or not their output is quantized."""

ACTIVATIONS = frozenset({"Clip", "Relu"})
"""Activations that runtimes fuse into the heavy operator before them."""

_MAKES_INT8 = HEAVY - {"MatMul"}

_KEEPS_INT8 = ACTIVATIONS | frozenset(
    {
        "Add",
        "AveragePool",
        "Concat",
        "DepthToSpace",
        "Flatten",
        "GlobalAveragePool",
        "MaxPool",
        "Pad",
        "Reshape",
        "Resize",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators that have int8 kernels and gain nothing by themselves."""

_ALL_INPUTS_ARE_DATA = frozenset({"Add", "Concat"})


@dataclass(frozen=True)
class Placement:
    """Where quantizers go.

    Attributes:
        operators: Operator types that may be quantized.
        excluded: Names of nodes of those types that stay in float.
        float_outputs: Operator types whose outputs get no quantizer.
        wide: Names of nodes whose activations take sixteen bits, see `widths`.
    """

    operators: tuple[str, ...]
    excluded: tuple[str, ...]
    float_outputs: tuple[str, ...]
    wide: frozenset[str] = frozenset()

    def quantizes(self, node: onnx.NodeProto) -> bool:
        """Whether a node's inputs are quantized."""
        return node.op_type in self.operators and node.name not in self.excluded

    def gives_int8(self, node: onnx.NodeProto) -> bool:
        """Whether a node's outputs are quantized on its own account."""
        return self.quantizes(node) and node.op_type not in self.float_outputs


def place(
    graph: onnx.GraphProto,
    *,
    floating: Collection[str] = frozenset(),
    wide: Collection[str] = frozenset(),
) -> Placement:
    """Plans where quantizers go in a graph whose nodes are sorted and have names of their own.

    Args:
        graph: The float graph.
        floating: Names of heavy operators that stay in float; what follows them and gains nothing
            by itself follows them into float.
        wide: Names of heavy operators whose activations take sixteen bits; what follows them alone
            follows them in this too.
    """
    left = {*floating, *products_of_activations(graph)}
    wanted = _wanted_in_int8(graph, left)
    in_int8: set[str] = set()
    in_sixteen: set[str] = set()
    excluded, widened = [], set(wide)
    for node in graph.node:
        if node.name in wide:
            in_sixteen.update(node.output)
        if node.name in left:
            excluded.append(node.name)
        elif node.op_type in _MAKES_INT8:
            if node.op_type not in FLOAT_OUTPUT or not wanted.isdisjoint(node.output):
                in_int8.update(node.output)
        elif node.op_type in _KEEPS_INT8:
            if in_int8.issuperset(_data(node)):
                in_int8.update(node.output)
                if in_sixteen.issuperset(_data(node)):
                    in_sixteen.update(node.output)
                    widened.add(node.name)
            else:
                excluded.append(node.name)
    return Placement(
        operators=tuple(sorted(HEAVY | _KEEPS_INT8)),
        excluded=tuple(excluded),
        float_outputs=("MatMul",),
        wide=frozenset(widened),
    )


def products_of_activations(graph: onnx.GraphProto) -> tuple[str, ...]:
    """Names of the matrix products that have no weights."""
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    return tuple(
        node.name
        for node in graph.node
        if node.op_type in FLOAT_OUTPUT and constants.isdisjoint(node.input[:2])
    )


def _wanted_in_int8(graph: onnx.GraphProto, left: Collection[str]) -> set[str]:
    """Tensors that an operator in int8 reads, at once or through operators that only keep int8."""
    wanted: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type in HEAVY:
            if node.name not in left:
                wanted.update(node.input[:2])
        elif node.op_type in _KEEPS_INT8 and not wanted.isdisjoint(node.output):
            wanted.update(_data(node))
    return wanted


def _data(node: onnx.NodeProto) -> Sequence[str]:
    return list(node.input if node.op_type in _ALL_INPUTS_ARE_DATA else node.input[:1])
