"""By how much one inference lets a process grow: what the graph holds, and what the runtime adds.

A process grows by more than weights and activations. Weights are copied while they are loaded and
packed for the processor's kernels; every node costs some bookkeeping; the arena that activations
live in grows by powers of two (`onnxruntime/core/framework/bfc_arena.cc`), serves the first
inference tensor by tensor and later ones by one planned block, so that both stay. How much that is
was measured on real processes, from before the model is loaded to after its fifth inference, and
how far a network may lie from it is the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.fitted import IntervalFactors
from edgedistill.cost.graph_memory import GraphMemory, count_memory
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.cost.shapes import Shape

SOURCE = "benchmarks/cost_memory.py, benchmarks/results/cost_memory.json"
_X86 = frozenset({"AMD64", "i386", "i686", "x86_64"})


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What a process grows by, for each byte that the graph holds.

    Attributes:
        process_bytes: For any model.
        node_bytes: For each node of the file.
        convolution: For each byte of a convolution's float weight.
        matrix: For each byte of a matrix product's float weight.
        quantized: For each byte of an integer weight.
        other: For each byte of any other constant.
        activations: For each byte of the activations at their worst moment.
        interval: What the sum is multiplied by, from networks that the fit had not seen.
        networks: How many networks were measured.
    """

    process_bytes: float
    node_bytes: float
    convolution: float
    matrix: float
    quantized: float
    other: float
    activations: float
    interval: IntervalFactors
    networks: int

    def bytes_of(self, graph: GraphMemory) -> float:
        """Bytes by which a process grows that loads this graph and runs it."""
        weights = graph.weights
        return (
            self.process_bytes
            + self.node_bytes * graph.nodes
            + self.convolution * weights.convolution_bytes
            + self.matrix * weights.matrix_bytes
            + self.quantized * weights.quantized_bytes
            + self.other * weights.other_bytes
            + self.activations * graph.activations_peak_bytes
        )


PLAIN = Growth(
    process_bytes=0.788e6,
    node_bytes=7.37e3,
    convolution=1.11,
    matrix=1.79,
    quantized=1.72,
    other=1.41,
    activations=2.13,
    interval=IntervalFactors(low=0.730, high=1.370, confidence=0.9, coverage_fraction=0.964),
    networks=28,
)
"""Tensors as the file has them: every processor but x86. Source: `SOURCE`, fitted with ONNX Runtime
1.31.1 on x86-64 with that processor's own layout switched off; no Arm device was measured."""
BLOCKED = Growth(
    process_bytes=0.788e6,
    node_bytes=7.37e3,
    convolution=2.7,
    matrix=1.79,
    quantized=1.72,
    other=1.41,
    activations=2.05,
    interval=IntervalFactors(low=0.728, high=1.373, confidence=0.9, coverage_fraction=0.964),
    networks=28,
)
"""x86, where convolutions compute in blocks of channels and their weights are copied into that
layout. Source: `SOURCE`."""


@dataclass(frozen=True)
class PeakMemory:
    """An estimate of the memory that one inference takes, with all it is made of.

    Attributes:
        graph: What the graph holds; counted.
        added_mb: By how much a process grows (10^6 bytes); estimated.
    """

    graph: GraphMemory
    added_mb: Quantity


def peak_memory_of(graph: GraphMemory, *, machine: str = "aarch64") -> PeakMemory:
    """What a process grows by that loads a graph and runs it on one thread.

    The interval has one confidence: 28 networks do not tell how the tails beyond it look.

    Args:
        graph: What the graph holds.
        machine: Instruction set, as a target profile names it.
    """
    growth = BLOCKED if machine in _X86 else PLAIN
    added_mb = growth.bytes_of(graph) / 1e6
    return PeakMemory(
        graph=graph,
        added_mb=Quantity(
            value=added_mb,
            low=added_mb * growth.interval.low,
            high=added_mb * growth.interval.high,
            confidence=growth.interval.confidence,
            evidence=Evidence.ESTIMATED,
            samples=growth.networks,
            method=_method(graph, growth),
        ),
    )


def peak_memory(
    model: Path, *, machine: str = "aarch64", input_shapes: Mapping[str, Shape] | None = None
) -> Quantity:
    """Megabytes (10^6 bytes) by which loading and running an ONNX file lets a process grow.

    Args:
        model: The file.
        machine: Instruction set, as a target profile names it.
        input_shapes: By input name, without the batch axis, for inputs whose axes the file
            leaves open.

    Raises:
        InputError: If it is not a sound ONNX file, or a shape cannot be inferred.
    """
    return peak_memory_of(count_memory(model, input_shapes=input_shapes), machine=machine).added_mb


def _method(graph: GraphMemory, growth: Growth) -> str:
    weights_mb = bytes_to_mb(graph.weights.total_bytes)
    activations_mb = bytes_to_mb(graph.activations_peak_bytes)
    layout = "with" if growth is BLOCKED else "without"
    return (
        f"weights ({weights_mb:.3g} MB) and activations at their worst moment "
        f"({activations_mb:.3g} MB, at '{graph.peak_at}'), counted in the graph by the rules of "
        "ONNX Runtime's allocation planner, times what processes of "
        f"{growth.networks} networks grew by (ONNX Runtime 1.31.1, one thread, default arena, "
        f"{layout} the x86 layout, loading included); interval from networks left out"
    )
