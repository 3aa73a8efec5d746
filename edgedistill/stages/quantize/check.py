"""The proof that int8 is really int8.

In the runtime: the graph that onnxruntime really runs here, after all of its own rewriting, is
saved, and its heavy operators are counted by kind. In the file, for a runtime that is not at
hand: each heavy operator must have dequantized inputs and, where the runtime needs it, a
quantized output. The second is a necessary condition only, and is labelled so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from edgedistill.cost.heavy_operators import FLOAT_OPERATORS, INT8_OPERATORS
from edgedistill.stages.quantize.placement import ACTIVATIONS, FLOAT_OUTPUT, HEAVY
from edgedistill.stages.quantize.session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Coverage:
    """Heavy operators by kind.

    Attributes:
        int8: Names of those in int8.
        floating: Names of those left in float.
    """

    int8: tuple[str, ...]
    floating: tuple[str, ...]

    @property
    def share(self) -> float:
        """Share in int8; 0 where there is no heavy operator at all."""
        return self.share_beside(0)

    def share_beside(self, meant_in_float: int) -> float:
        """Share in int8 of all but some that were meant to be in float; 0 where none is left."""
        total = len(self.int8) + max(len(self.floating) - meant_in_float, 0)
        return len(self.int8) / total if total else 0.0


def coverage_in_runtime(model: Path, folder: Path, threads: int) -> Coverage:
    """Counts heavy operators in the graph that onnxruntime really runs on this processor.

    Args:
        model: The QDQ file.
        folder: Where to save the optimized graph.
        threads: Threads of the session.

    Raises:
        InputError: If onnxruntime cannot load the file.
    """
    optimized = folder / "optimized.onnx"
    open_session(model, threads, optimized=optimized)
    nodes = list(_nodes(onnx.load_model(optimized).graph))
    return Coverage(
        int8=tuple(_title(node) for node in nodes if node.op_type in INT8_OPERATORS),
        floating=tuple(_title(node) for node in nodes if node.op_type in FLOAT_OPERATORS),
    )


def coverage_in_file(model: onnx.ModelProto) -> Coverage:
    """Counts heavy operators whose quantizers stand where a runtime can fuse them."""
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    int8: list[str] = []
    floating: list[str] = []
    for node in graph.node:
        if node.op_type not in HEAVY | FLOAT_OPERATORS:
            continue
        enclosed = (
            node.op_type in HEAVY
            and all(_is_dequantized(name, producers) for name in node.input[:2])
            and (node.op_type in FLOAT_OUTPUT or _reaches_quantizer(node.output[0], consumers))
        )
        (int8 if enclosed else floating).append(_title(node))
    return Coverage(tuple(int8), tuple(floating))


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(attribute.g)


def _title(node: onnx.NodeProto) -> str:
    return f"{node.op_type} {node.name or node.output[0]}"


def _is_dequantized(name: str, producers: dict[str, onnx.NodeProto]) -> bool:
    node = producers.get(name)
    return node is not None and node.op_type == "DequantizeLinear"


def _reaches_quantizer(name: str, consumers: dict[str, list[onnx.NodeProto]]) -> bool:
    nodes = consumers.get(name, [])
    return bool(nodes) and all(
        node.op_type == "QuantizeLinear"
        or (node.op_type in ACTIVATIONS and _reaches_quantizer(node.output[0], consumers))
        for node in nodes
    )
