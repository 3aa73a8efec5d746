"""Who makes and who reads each tensor of a graph, subgraphs included."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np


@dataclass(frozen=True)
class Wiring:
    """The tensors of a graph as it stood when this was made.

    Attributes:
        producers: The node that makes a tensor.
        consumers: The nodes that read it, one that reads it twice twice.
        constants: Initializers that nobody can feed.
        shown: Outputs of the graph.
    """

    producers: Mapping[str, onnx.NodeProto]
    consumers: Mapping[str, Sequence[onnx.NodeProto]]
    constants: Mapping[str, onnx.TensorProto]
    shown: frozenset[str]

    @classmethod
    def of(cls, graph: onnx.GraphProto) -> Wiring:
        """Reads a graph."""
        consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in inputs_of(node):
                consumers[name].append(node)
        fed = {value.name for value in graph.input}
        return cls(
            producers={name: node for node in graph.node for name in node.output if name},
            consumers=dict(consumers),
            constants={item.name: item for item in graph.initializer if item.name not in fed},
            shown=frozenset(output.name for output in graph.output),
        )

    def readers(self, tensor: str) -> Sequence[onnx.NodeProto]:
        """The nodes that read a tensor."""
        return self.consumers.get(tensor, ())

    def only_reader(self, tensor: str) -> onnx.NodeProto | None:
        """The node that reads a tensor, where nobody else sees it."""
        readers = self.readers(tensor)
        return readers[0] if len(readers) == 1 and tensor not in self.shown else None

    def own_constant(self, tensor: str) -> np.ndarray | None:
        """The value of a constant that only one node reads, so that changing it changes no other.

        Returns:
            A copy, or None where the tensor is no such constant.
        """
        held = self.constants.get(tensor)
        if held is None or self.only_reader(tensor) is None:
            return None
        array: np.ndarray = onnx.numpy_helper.to_array(held).copy()
        return array


def inputs_of(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, also what only its subgraphs read of the tensors around them."""
    yield from filter(None, node.input)
    for item in node.attribute:
        if item.type == onnx.AttributeProto.GRAPH:
            inside = {value.name for value in (*item.g.input, *item.g.initializer)}
            inside |= {name for inner in item.g.node for name in inner.output}
            for inner in item.g.node:
                yield from (name for name in inputs_of(inner) if name not in inside)


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """The value of a node's attribute; the default where it is not set."""
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default


def replace(constant: onnx.TensorProto, value: np.ndarray) -> None:
    """Gives a constant another value; it keeps its name and type."""
    kept = onnx.helper.tensor_dtype_to_np_dtype(constant.data_type)
    constant.CopyFrom(onnx.numpy_helper.from_array(value.astype(kept), constant.name))


def give_own_constants(graph: onnx.GraphProto) -> None:
    """Gives every reader of a small shared constant a copy, so that each can change its own.

    Exporters store constants of equal content once: biases and scales that are all zeros or ones.
    Only those of one axis are copied; weights that are shared are meant to be.
    """
    taken = set(Wiring.of(graph).constants)
    places: dict[str, list[tuple[onnx.NodeProto, int]]] = defaultdict(list)
    for node in graph.node:
        for place, name in enumerate(node.input):
            places[name].append((node, place))
    for held in list(graph.initializer):
        if (
            held.name not in taken
            or len(held.dims) != 1
            or held.data_type != onnx.TensorProto.FLOAT
        ):
            continue
        for number, (node, place) in enumerate(places[held.name][1:], start=2):
            copy = graph.initializer.add()
            copy.CopyFrom(held)
            copy.name = f"{held.name}_{number}"
            while copy.name in taken:
                copy.name += "_"
            taken.add(copy.name)
            node.input[place] = copy.name
