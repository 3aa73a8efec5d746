"""All constant tensors of a model, wherever they hide, and whether they hold what they say."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_ELEMENTS = 2**34
"""Of a tensor that anybody could compute with; more is a mistake or meant badly."""
_BITS = {
    **dict.fromkeys(("FLOAT4E2M1", "INT4", "UINT4"), 4),
    **dict.fromkeys(("FLOAT6E2M3", "FLOAT6E3M2"), 6),
    **dict.fromkeys(("INT2", "UINT2"), 2),
}
"""Types of fewer bits than a byte, which are packed, and how many they have."""
_HALVES = {"COMPLEX64": 2, "COMPLEX128": 2}
"""Types of which one element is several numbers of its field."""


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside its nodes; protobuf itself bounds how deep they lie."""
    yield graph
    yield from graphs_inside(graph.node)


def graphs_inside(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.GraphProto]:
    """Every graph inside of nodes."""
    for node in nodes:
        for item in node.attribute:
            for inner in (*([item.g] if item.HasField("g") else []), *item.graphs):
                yield from graphs_of(inner)


def all_graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """Every graph of a model, those inside the nodes of its functions among them."""
    yield from graphs_of(model.graph)
    for function in model.functions:
        yield from graphs_inside(function.node)


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every constant: of graphs, of nodes, and of functions."""
    for graph in all_graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        yield from _constants(graph.node)
    for function in model.functions:
        yield from _constants(function.node)


def sparse_tensors_of(model: onnx.ModelProto) -> Iterator[onnx.SparseTensorProto]:
    """Every sparse constant."""
    for graph in all_graphs(model):
        yield from graph.sparse_initializer
    nodes = [node for graph in all_graphs(model) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    for node in nodes:
        for item in node.attribute:
            yield from [item.sparse_tensor] if item.HasField("sparse_tensor") else []
            yield from item.sparse_tensors


def tensor_fault(tensor: onnx.TensorProto) -> str | None:
    """What is wrong with a tensor whose values are inside; None where it holds what it says.

    Nothing is allocated: a tensor that claims more elements than it has bytes is found by counting.
    """
    if any(size < 0 for size in tensor.dims):
        return "has a negative size"
    names = onnx.TensorProto.DataType
    if tensor.data_type not in names.values() or tensor.data_type == onnx.TensorProto.UNDEFINED:
        return f"is of type {tensor.data_type}, which is none of ONNX's"
    wanted = prod(tensor.dims)
    if tensor.HasField("raw_data"):
        wanted_bytes = size_bytes(tensor.data_type, wanted)
        if wanted_bytes != len(tensor.raw_data):
            return f"should hold {wanted_bytes} bytes and holds {len(tensor.raw_data)}"
        return None
    name = names.Name(tensor.data_type)
    field = "string_data"
    if name != "STRING":
        field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
    numbers = -(-wanted // (8 // _BITS.get(name, 8))) * _HALVES.get(name, 1)
    held = len(getattr(tensor, field))
    return None if held == numbers else f"should hold {numbers} numbers and holds {held}"


def size_bytes(data_type: int, elements: int) -> int:
    """Bytes of so many elements, packed as a file has them.

    >>> size_bytes(onnx.TensorProto.FLOAT, 3), size_bytes(onnx.TensorProto.INT4, 3)
    (12, 2)
    """
    bits = _BITS.get(onnx.TensorProto.DataType.Name(data_type))
    if bits is not None:
        return -(-elements * bits // 8)
    if data_type == onnx.TensorProto.STRING:
        return elements
    return elements * int(onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize)


def _constants(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for item in node.attribute:
            if item.HasField("t"):
                yield item.t
            yield from item.tensors
            sparse = [item.sparse_tensor] if item.HasField("sparse_tensor") else []
            for one in (*sparse, *item.sparse_tensors):
                yield from (one.values, one.indices)
