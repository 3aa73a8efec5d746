"""A model and its target, with all that is known of both before anything is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.findings import Cost
from edgedistill.cost.float_twin import is_quantized
from edgedistill.cost.tensors import graphs_inside, size_bytes
from edgedistill.diagnosis.anatomy import CONVERSIONS, Anatomy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import onnx

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.profile import Runtime, TargetProfile
    from edgedistill.cost.shapes import Shapes


@dataclass(frozen=True)
class Costs:
    """What each operator of the main graph costs, by the name of its first output.

    Attributes:
        latency: Parts of the whole latency; empty where there is no estimate.
        macs: Multiply-accumulates; empty where they cannot be counted.
        elements: Numbers read and written; empty where they cannot be counted.
        latency_ms: Of the whole network.
    """

    latency: Mapping[str, float] = field(default_factory=dict)
    macs: Mapping[str, int] = field(default_factory=dict)
    elements: Mapping[str, int] = field(default_factory=dict)
    latency_ms: Quantity | None = None


@dataclass(frozen=True)
class InRuntime:
    """What the runtime makes of the file.

    Attributes:
        graph: The graph that it really runs.
        int8: First outputs of the file's nodes whose work it does in int8.
        pairs: First outputs of the file's QuantizeLinear nodes that still stand before nothing but
            DequantizeLinear in the runtime's graph.
        complete: Whether every int8 operator of its graph could be traced to the file.
    """

    graph: onnx.GraphProto
    int8: frozenset[str]
    pairs: frozenset[str]
    complete: bool


@dataclass(frozen=True)
class Patient:
    """A model, and all that is known of it and its target before anything is judged.

    Attributes:
        model: Checked, with all weights inside.
        profile: The target.
        runtime: The target's runtime that is to run it.
        costs: Of its operators.
        shapes: Of its tensors for one sample; None where they cannot be inferred.
        in_runtime: What the runtime makes of the file; None where it is not at hand or cannot load
            the file.
        load_problem: What the runtime said where it could not load the file.
        size_bytes: Of the file and the weights beside it.
        beside: Names of files that hold weights.
    """

    model: onnx.ModelProto
    profile: TargetProfile
    runtime: Runtime
    costs: Costs
    size_bytes: int
    shapes: Shapes | None = None
    in_runtime: InRuntime | None = None
    load_problem: str | None = None
    beside: tuple[str, ...] = ()

    @cached_property
    def main(self) -> Anatomy:
        """The main graph."""
        return Anatomy(self.model.graph)

    @cached_property
    def all_graphs(self) -> tuple[Anatomy, ...]:
        """The main graph, then those inside its nodes."""
        return self.main, *(Anatomy(graph) for graph in graphs_inside(self.model.graph.node))

    @cached_property
    def is_quantized(self) -> bool:
        """Whether any operator quantizes, or computes with integers that stand for numbers."""
        return any(
            is_quantized(node.op_type) or node.op_type in CONVERSIONS
            for anatomy in self.all_graphs
            for node in anatomy.nodes
        )

    def shape(self, tensor: str) -> tuple[int, ...] | None:
        """Shape of a tensor for one sample; None where it is unknown."""
        held = self.main.constant(tensor)
        if held is not None:
            return tuple(held.dims)
        return self.shapes[tensor] if self.shapes is not None and tensor in self.shapes else None

    def cost(
        self, nodes: Iterable[onnx.NodeProto], parts: Mapping[str, float] | None = None
    ) -> Cost | None:
        """What some operators cost now, in the best unit there is.

        Args:
            nodes: The operators.
            parts: By first output: which part of an operator is meant, where not the whole.

        Returns:
            None where some stand in graphs inside of nodes, which nobody can count.
        """
        given = {node.output[0]: node for node in nodes if node.output}
        if not given or any(self.main.maker(name) is None for name in given):
            return None
        return self._cost(given, parts or {})

    def _cost(self, given: Mapping[str, onnx.NodeProto], parts: Mapping[str, float]) -> Cost | None:
        if self.costs.latency_ms is not None:
            share = min(
                sum(self.costs.latency.get(name, 0.0) * parts.get(name, 1.0) for name in given), 1.0
            )
            whole = self.costs.latency_ms
            part = whole.model_copy(
                update={key: share * getattr(whole, key) for key in ("value", "low", "high")}
            )
            return Cost(of="latency", share_fraction=share, latency_ms=part)
        macs = _share(self.costs.macs, given, parts)
        if macs:
            return Cost(of="macs", share_fraction=macs)
        elements = _share(self.costs.elements, given, parts)
        if elements is not None:
            return Cost(of="elements", share_fraction=elements)
        all_bytes = sum(map(_tensor_bytes, self.main.constants.values()))
        if not all_bytes:
            return None
        read = {
            weight: parts.get(name, 1.0)
            for name, node in given.items()
            for weight in self._weights(node)
        }
        own = sum(_tensor_bytes(self.main.constants[name]) * part for name, part in read.items())
        return Cost(of="weight-bytes", share_fraction=min(own / all_bytes, 1.0))

    def _weights(self, node: onnx.NodeProto) -> Iterator[str]:
        for name in node.input:
            maker = self.main.maker(name, *CONVERSIONS)
            for one in (name, *(maker.input if maker is not None else ())):
                if one in self.main.constants:
                    yield one


def _share(
    counts: Mapping[str, int], given: Iterable[str], parts: Mapping[str, float]
) -> float | None:
    """The part of a sum that some operators have; None where nothing was counted."""
    total = sum(counts.values())
    if not total:
        return None
    return min(sum(counts.get(name, 0) * parts.get(name, 1.0) for name in given) / total, 1.0)


def _tensor_bytes(tensor: onnx.TensorProto) -> int:
    return size_bytes(tensor.data_type, int(np.prod(tensor.dims, dtype=object)))
