"""An ONNX graph whose inputs are called otherwise; what it computes stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def with_input_names(model: onnx.ModelProto, names: Mapping[str, str]) -> onnx.ModelProto:
    """A copy whose inputs have other names, in the graphs of its branches and loops too.

    Args:
        model: The model; it stays as it is.
        names: Each input's name to the new one.

    Raises:
        ValueError: If a new name is that of another tensor already.
    """
    renamed = onnx.ModelProto()
    renamed.CopyFrom(model)
    graphs = list(_graphs(renamed.graph))
    held = {name for graph in graphs for name in _tensors(graph)}
    taken = {new for old, new in names.items() if new != old and new in held - names.keys()}
    if taken:
        raise ValueError(
            f"the graph has tensors of these names already: {', '.join(sorted(taken))}"
        )
    for entry in renamed.graph.input:
        entry.name = names.get(entry.name, entry.name)
    for graph in graphs:
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
        for entry in graph.output:
            entry.name = names.get(entry.name, entry.name)
    return renamed


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
    for node in graph.node:
        yield from node.output
