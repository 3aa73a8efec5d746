"""Multiply-accumulates of one operator, in closed form from its shapes.

Only operators that multiply and accumulate are counted: a bias, an activation, a pooling or a
normalization costs time, and that is the latency model's business, but no multiply-accumulates.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import onnx

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.cost.shapes import Shapes

_NOT_COUNTED = frozenset(
    {"DFT", "DeformConv", "Det", "GridSample", "If", "ImageDecoder", "Loop", "STFT", "Scan"}
)
_GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}


@dataclass(frozen=True)
class RecurrentSizes:
    """The sizes of a recurrent layer."""

    length: int
    batch: int
    directions: int
    gates: int
    inputs: int
    hidden: int


def multiply_accumulates(node: onnx.NodeProto, shapes: Shapes, file: Path) -> int:
    """Multiply-accumulates of one node of a float graph.

    Raises:
        InputError: If a shape it needs is unknown, or it is an operator nobody can count here.
    """
    if node.domain not in ("", "ai.onnx") or node.op_type in _NOT_COUNTED:
        raise InputError(
            Fault(
                file=file,
                field=node.name or node.output[0],
                given=":".join(part for part in (node.domain, node.op_type) if part),
                problem="the work of this operator cannot be counted",
                remedy="Export the model in standard ONNX operators, before any runtime's own "
                "optimizer and without loops",
            )
        )
    if node.op_type == "Einsum":
        return _einsum(node, shapes, file)
    if node.op_type in _GATES:
        return _recurrent(recurrent_sizes(node, shapes, file))
    count = _COUNTERS.get(node.op_type)
    return count(node, shapes) if count else 0


def _convolution(node: onnx.NodeProto, shapes: Shapes) -> int:
    # one output element sums over [channels_in / group, *kernel]: the weight without its first axis
    return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])


def _transposed_convolution(node: onnx.NodeProto, shapes: Shapes) -> int:
    # one input element spreads over [channels_out / group, *kernel]
    return prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])


def _gemm(node: onnx.NodeProto, shapes: Shapes) -> int:
    rows, columns = shapes[node.input[0]]
    inner = rows if attribute(node, "transA", 0) else columns
    return prod(shapes[node.output[0]]) * inner


def _matmul(node: onnx.NodeProto, shapes: Shapes) -> int:
    return prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]


def _attention(node: onnx.NodeProto, shapes: Shapes) -> int:
    # softmax(Q K^T) V: two products over [query length, key length] for each head
    query, key, value = (shapes[name] for name in node.input[:3])
    past = shapes[node.input[4]][2] if len(node.input) > 4 and node.input[4] else 0
    if len(query) == 4:
        batch, heads, query_length, head_size = query
        key_length, value_size = key[2], value[3]
    else:
        batch, query_length, width = query
        heads = attribute(node, "q_num_heads", 1)
        head_size, key_length = width // heads, key[1]
        value_size = value[2] // attribute(node, "kv_num_heads", heads)
    return batch * heads * query_length * (key_length + past) * (head_size + value_size)


def recurrent_sizes(node: onnx.NodeProto, shapes: Shapes, file: Path) -> RecurrentSizes:
    """The sizes of a GRU, LSTM or RNN; its weight is [directions, gates * hidden, inputs].

    Raises:
        InputError: If its weight has other axes, or shapes are unknown.
    """
    if len(shapes[node.input[1]]) != 3:
        raise InputError(
            Fault(
                file=file,
                field=node.name or node.output[0],
                given=str(list(shapes[node.input[1]])),
                problem="the weight of this recurrent layer is not [directions, rows, inputs]",
                remedy="Export the network again",
            )
        )
    length, batch, inputs = shapes[node.input[0]]
    if attribute(node, "layout", 0):
        length, batch = batch, length
    directions, rows, _ = shapes[node.input[1]]
    gates = _GATES[node.op_type]
    return RecurrentSizes(length, batch, directions, gates, inputs, rows // gates)


def _recurrent(sizes: RecurrentSizes) -> int:
    per_sample = sizes.directions * sizes.gates * sizes.hidden * (sizes.inputs + sizes.hidden)
    return sizes.length * sizes.batch * per_sample


def _einsum(node: onnx.NodeProto, shapes: Shapes, file: Path) -> int:
    # one multiply-accumulate for each combination of all indices, if any index is summed away
    equation = attribute(node, "equation", b"").decode().replace(" ", "")
    terms, _, result = equation.partition("->")
    letters = terms.split(",")
    ranks = [len(shapes[name]) for name in node.input]
    named = "..." not in equation and "->" in equation
    if not named or len(letters) > 2 or [len(term) for term in letters] != ranks:
        raise InputError(
            Fault(
                file=file,
                field=node.name or node.output[0],
                given=f"Einsum {equation}",
                problem="the work of this operator cannot be counted",
                remedy="Write it as a product of at most two tensors with all indices named",
            )
        )
    sizes: dict[str, int] = {}
    for term, name in zip(letters, node.input, strict=True):
        sizes.update(zip(term, shapes[name], strict=True))
    if len(letters) == 1 or not set(sizes).difference(result):
        return 0
    return prod(sizes.values())


_COUNTERS = {
    "Attention": _attention,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
}


def multiplies(operator: str) -> bool:
    """Whether an operator multiplies and accumulates."""
    return operator in _COUNTERS or operator in _GATES or operator == "Einsum"


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """An attribute of a node, or the default where it is not set."""
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default
