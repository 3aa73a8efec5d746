"""An ONNX graph whose inputs are called otherwise; what it computes stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def with_input_names(model: onnx.ModelProto, names: Mapping[str, str]) -> onnx.ModelProto:
    """A copy whose inputs have other names, in the graphs of its branches and loops too.

    Another tensor that has one of the new names already, an output too, gets a longer one.

    Args:
        model: The model, without functions of its own; it stays as it is.
        names: Each input's name to the new one.
    """
    renamed = onnx.ModelProto()
    renamed.CopyFrom(model)
    graphs = list(_graphs(renamed.graph))
    held = {name for graph in graphs for name in _tensors(graph)}
    moved = dict(names)
    for new in names.values():
        if new in held and new not in names:
            moved[new] = _free(new, held | set(moved.values()))
    for graph in graphs:
        _rename(graph, moved)
    return renamed


def _free(name: str, held: set[str]) -> str:
    while name in held:
        name += "_"
    return name


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for entry in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        entry.name = names.get(entry.name, entry.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.get(sparse.values.name, sparse.values.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all inside of its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _graphs(inner)


def _tensors(graph: onnx.GraphProto) -> Iterator[str]:
    for entry in (*graph.input, *graph.output, *graph.initializer):
        yield entry.name
    for sparse in graph.sparse_initializer:
        yield sparse.values.name
    for node in graph.node:
        yield from node.output
