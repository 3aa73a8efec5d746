"""A graph laid open: who makes, who reads, what is constant, and what each operator costs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from edgedistill.cost.work import attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
