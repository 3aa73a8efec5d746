"""Multiply-accumulates of one operator, in closed form from its shapes.

Only operators that multiply and accumulate are counted: a bias, an activation, a pooling or a
normalization costs time, and that is the latency model's business, but no multiply-accumulates.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import onnx

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.cost.shapes import Shapes

_NOT_COUNTED = frozenset(
    {"DeformConv", "Einsum", "GRU", "GridSample", "If", "LSTM", "Loop", "RNN", "Scan"}
)


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
                "optimizer and without loops and recurrent layers",
            )
        )
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


_COUNTERS = {
    "Attention": _attention,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
}


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """An attribute of a node, or the default where it is not set."""
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default
