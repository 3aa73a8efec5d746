"""A graph laid open: who makes, who reads, what is constant, and what each operator costs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from edgedistill.core.findings import Cost
from edgedistill.cost.tensors import size_bytes
from edgedistill.cost.work import attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.profile import Runtime, TargetProfile
    from edgedistill.cost.shapes import Shapes

STANDARD = ("", "ai.onnx")


class Anatomy:
    """One graph; what is asked of it does not change it."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.nodes: tuple[onnx.NodeProto, ...] = tuple(graph.node)
        self.outputs = frozenset(value.name for value in graph.output)
        self._makers: dict[str, onnx.NodeProto] = {}
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        for node in self.nodes:
            for name in node.output:
                if name:
                    self._makers[name] = node
            for name in dict.fromkeys(node.input):
                if name:
                    self._readers[name].append(node)
            if node.op_type == "Constant" and node.output:
                value = attribute(node, "value", None)
                if isinstance(value, onnx.TensorProto):
                    self._tensors[node.output[0]] = value

    def maker(self, tensor: str, *ops: str) -> onnx.NodeProto | None:
        """The node that makes a tensor, if it is of one of the operators (of any without)."""
        node = self._makers.get(tensor)
        return node if node is not None and (not ops or node.op_type in ops) else None

    def readers(self, tensor: str) -> tuple[onnx.NodeProto, ...]:
        """Every node that reads a tensor, once each."""
        return tuple(self._readers.get(tensor, ()))

    def only_reader(self, tensor: str) -> onnx.NodeProto | None:
        """The node that reads a tensor, where nobody else sees it."""
        readers = self.readers(tensor)
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def constant(self, tensor: str) -> onnx.TensorProto | None:
        """The constant of this name, an initializer's or a Constant's."""
        return self._tensors.get(tensor)

    def values(self, tensor: str) -> np.ndarray | None:
        """Values of a constant, dequantized where a DequantizeLinear makes them; None of others.

        Returns:
            float32 or the constant's own type, in the constant's shape.
        """
        held = self.constant(tensor)
        if held is not None:
            return np.asarray(onnx.numpy_helper.to_array(held))
        node = self.maker(tensor, "DequantizeLinear")
        found = None if node is None else dequantization(self, node)
        integers = None if found is None else self.values(found.integers)
        if found is None or integers is None:
            return None
        return found.real(integers)

    @property
    def constants(self) -> Mapping[str, onnx.TensorProto]:
        """All constants by name."""
        return self._tensors


@dataclass(frozen=True)
class Quantizer:
    """Scale and zero point of a QuantizeLinear or DequantizeLinear.

    Attributes:
        integers: The tensor of integers.
        scale: [channels] or a number.
        zero_point: As `scale`, in the type of the integers.
        axis: Of the channels.
    """

    integers: str
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    def along(self, values: np.ndarray, rank: int) -> np.ndarray:
        """Scale or zero point in a shape that meets a tensor of some rank."""
        if values.size == 1:
            return values.reshape(())
        shape = [1] * rank
        shape[self.axis] = values.size
        return values.reshape(shape)

    def real(self, integers: np.ndarray) -> np.ndarray | None:
        """The numbers that integers stand for, float32; None where the shapes do not meet."""
        size, rank = self.scale.size, integers.ndim
        if size != 1 and not (-rank <= self.axis < rank and integers.shape[self.axis] == size):
            return None
        scale = self.along(self.scale.astype(np.float32), rank)
        zero = self.along(self.zero_point.astype(np.float32), rank)
        with np.errstate(all="ignore"):  # a broken scale is a finding of its own
            real: np.ndarray = (integers.astype(np.float32) - zero) * scale
        return real


def dequantization(anatomy: Anatomy, node: onnx.NodeProto) -> Quantizer | None:
    """Scale and zero point of a conversion; None where they are not constant or of two axes."""
    scale = anatomy.constant(node.input[1]) if len(node.input) > 1 else None
    if scale is None or len(scale.dims) > 1 or 0 in scale.dims:
        return None
    real = np.asarray(onnx.numpy_helper.to_array(scale))
    zero = np.zeros(real.shape, np.uint8)
    if len(node.input) > 2 and node.input[2]:
        held = anatomy.constant(node.input[2])
        if held is None or len(held.dims) > 1:
            return None
        zero = np.asarray(onnx.numpy_helper.to_array(held))
        if zero.size != real.size:
            return None
    is_q = node.op_type == "QuantizeLinear"
    integers = node.output[0] if is_q else node.input[0]
    return Quantizer(integers, real, zero, int(attribute(node, "axis", 1)))


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
        from edgedistill.cost.tensors import graphs_inside

        return self.main, *(Anatomy(graph) for graph in graphs_inside(self.model.graph.node))

    @cached_property
    def is_quantized(self) -> bool:
        """Whether any operator quantizes, or computes with integers that stand for numbers."""
        from edgedistill.cost.float_twin import is_quantized

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


CONVERSIONS = frozenset({"DequantizeLinear", "DynamicQuantizeLinear", "QuantizeLinear"})


def title(node: onnx.NodeProto) -> str:
    """An operator as a person finds it in the file."""
    name = node.name or (node.output[0] if node.output else "")
    domain = "" if node.domain in STANDARD else f"{node.domain}."
    return f"{domain}{node.op_type} {name}".strip()


def titles(nodes: Iterable[onnx.NodeProto]) -> tuple[str, ...]:
    """Operators as a person finds them."""
    return tuple(title(node) for node in nodes)


def option(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """An attribute, or the default."""
    return attribute(node, name, default)


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
