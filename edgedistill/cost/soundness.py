"""What a parsed model must be before any library may look at it closer."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from math import prod
from typing import TYPE_CHECKING

import onnx

from edgedistill.cost.file_bytes import MAX_BYTES
from edgedistill.cost.tensors import (
    MOST_ELEMENTS,
    all_graphs,
    graphs_inside,
    sparse_tensors_of,
    tensor_fault,
    tensors_of,
)
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STANDARD_DOMAINS = ("", "ai.onnx")
_MOST_INLINED_NODES = 1_000_000
_DEEPEST_CALLS = 100
_OPEN = -1
"""How some exporters write an axis without a size, which ONNX does by leaving it out."""
_AGAIN = "It may be truncated or damaged: export it again"


def require_sound(model: onnx.ModelProto, path: Path) -> None:
    """Refuses a model whose parts cannot be what they say.

    Raises:
        InputError: With every fault found.
    """
    faults = list(_faults(model, path))
    if faults:
        raise InputError(*faults[:8])


def _faults(model: onnx.ModelProto, path: Path) -> Iterator[Fault]:
    graph = model.graph
    for field, there in (("graph.node", graph.node), ("graph.output", graph.output)):
        if not there:
            kind = "operator" if field == "graph.node" else "output"
            yield Fault(file=path, field=field, problem=f"has no {kind}", remedy=_AGAIN)
    yield from _version_faults(model, path)
    yield from _tensor_faults(model, path)
    yield from _axis_faults(model, path)
    yield from _function_faults(model, path)


def _version_faults(model: onnx.ModelProto, path: Path) -> Iterator[Fault]:
    newest = onnx.defs.onnx_opset_version()
    for item in model.opset_import:
        if item.domain in STANDARD_DOMAINS and not 1 <= item.version <= newest:
            yield Fault(
                file=path,
                field="opset_import",
                given=f"opset {item.version}",
                problem=f"is in no opset that onnx {onnx.__version__} knows (1 to {newest})",
                remedy=f"Export it in opset {newest} or older, or install a newer onnx",
            )
    if model.ir_version > onnx.IR_VERSION:
        yield Fault(
            file=path,
            field="ir_version",
            given=str(model.ir_version),
            problem=f"is newer than onnx {onnx.__version__} knows ({onnx.IR_VERSION})",
            remedy="Save it with an older version of onnx, or install a newer one",
        )


def _tensor_faults(model: onnx.ModelProto, path: Path) -> Iterator[Fault]:
    for tensor in tensors_of(model):
        problem = tensor_fault(tensor)
        if problem is not None:
            yield Fault(
                file=path,
                field=tensor.name or "a constant",
                given=f"shape {list(tensor.dims)[:8]}",
                problem=f"this constant {problem}",
                remedy=_AGAIN,
            )
    for sparse in sparse_tensors_of(model):
        if any(size < 0 for size in sparse.dims) or prod(sparse.dims) > MAX_BYTES:
            yield Fault(
                file=path,
                field=sparse.values.name or "a sparse constant",
                given=f"shape {list(sparse.dims)[:8]}",
                problem="this constant is larger than an ONNX file can be",
                remedy=_AGAIN,
            )


def _axis_faults(model: onnx.ModelProto, path: Path) -> Iterator[Fault]:
    for graph in all_graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            sizes = [int(axis.dim_value) for axis in value.type.tensor_type.shape.dim]
            if min(sizes, default=0) < _OPEN or prod(max(one, 1) for one in sizes) > MOST_ELEMENTS:
                yield Fault(
                    file=path,
                    field=value.name,
                    given=f"shape {sizes[:8]}",
                    problem="has a size that no tensor can have",
                    remedy=_AGAIN,
                )


def _function_faults(model: onnx.ModelProto, path: Path) -> Iterator[Fault]:
    """Functions that call themselves, or grow beyond all bounds where they are written out."""
    nodes = {_key(one): list(_nodes_within(one)) for one in model.functions}
    calls = {key: {_call(node) for node in inside} & nodes.keys() for key, inside in nodes.items()}
    sizes: dict[_Key, int] = {}
    depths: dict[_Key, int] = {}
    try:
        for key in TopologicalSorter(calls).static_order():
            sizes[key] = sum(sizes.get(_call(node), 1) for node in nodes[key])
            depths[key] = 1 + max((depths[inner] for inner in calls[key]), default=0)
    except CycleError as error:
        names = [name for _, name, _ in error.args[1]]
        yield _function_fault(path, " > ".join(names[:8]), "a function calls itself")
        return
    written_out = sum(sizes.get(_call(node), 1) for node in model.graph.node)
    if max([written_out, *sizes.values()]) > max(_MOST_INLINED_NODES, len(model.graph.node)):
        yield _function_fault(path, f"{written_out} operators", "its functions are too large")
    if max(depths.values(), default=0) > _DEEPEST_CALLS:
        yield _function_fault(path, f"{max(depths.values())} deep", "its functions nest too deep")


_Key = tuple[str, str, str]


def _key(function: onnx.FunctionProto) -> _Key:
    return function.domain, function.name, function.overload


def _call(node: onnx.NodeProto) -> _Key:
    return node.domain, node.op_type, node.overload


def _function_fault(path: Path, given: str, problem: str) -> Fault:
    return Fault(
        file=path,
        field="functions",
        given=given,
        problem=problem,
        remedy="Export the network without functions",
    )


def _nodes_within(function: onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    yield from function.node
    for graph in graphs_inside(function.node):
        yield from graph.node


def open_axes(model: onnx.ModelProto) -> None:
    """Writes axes without a size as ONNX does, in place, where an exporter wrote -1."""
    for graph in all_graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            for axis in value.type.tensor_type.shape.dim:
                if axis.HasField("dim_value") and axis.dim_value == _OPEN:
                    axis.ClearField("dim_value")


def require_text(model: onnx.ModelProto) -> None:
    """Reads every name once, so that one that is no text is told by the reader.

    Raises:
        UnicodeDecodeError: If one is no UTF-8.
    """
    for text in _texts(model):
        if isinstance(text, bytes):  # protobuf gives what it cannot decode as it is
            text.decode("utf-8")


def _texts(model: onnx.ModelProto) -> Iterator[str | bytes]:
    yield model.producer_name
    yield from (item.domain for item in model.opset_import)
    for entry in model.metadata_props:
        yield from (entry.key, entry.value)
    for graph in all_graphs(model):
        yield graph.name
        for value in (*graph.input, *graph.output, *graph.value_info):
            yield value.name
            yield from (axis.dim_param for axis in value.type.tensor_type.shape.dim)
        yield from _texts_of(graph.node)
    for function in model.functions:
        yield from (function.name, function.domain, *function.input, *function.output)
        yield from _texts_of(function.node)
    for tensor in tensors_of(model):
        yield tensor.name
        for place in tensor.external_data:
            yield from (place.key, place.value)


def _texts_of(nodes: Iterable[onnx.NodeProto]) -> Iterator[str | bytes]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (item.name for item in node.attribute)
