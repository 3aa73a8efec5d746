"""In which order ONNX Runtime executes a graph, and what it executes as one operator.

Only what does not depend on the processor is told here: the order of its sequential executor,
constants computed beforehand, quantized operators in place of a float one between
DequantizeLinear and QuantizeLinear, SiLU as one operator, a matrix product with its bias or
scale. On x86 the runtime goes further (a layout of its own for convolutions, sums written into
one of their inputs).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

NEEDS_QUANTIZED_OUTPUT = frozenset(
    {
        "Add",
        "AveragePool",
        "Concat",
        "Conv",
        "Flatten",
        "Gather",
        "GlobalAveragePool",
        "LeakyRelu",
        "MaxPool",
        "Mul",
        "Reshape",
        "Resize",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
"""Computed in int8 between DequantizeLinear and QuantizeLinear (ONNX Runtime,
`qdq_selector_action_transformer.cc`)."""
QUANTIZED_OR_FLOAT_OUTPUT = frozenset({"Gemm", "MatMul"})
"""Computed in int8 behind DequantizeLinear, whatever follows."""
_CLIPS = frozenset({"Clip", "Relu"})
"""Absorbed by the QuantizeLinear behind them."""


@dataclass(frozen=True)
class Executed:
    """One operator of the runtime: one node of the file, or several that became one.

    Attributes:
        node: The node that gives it name, type and attributes.
        reads: Tensors it reads, constants left out.
        writes: Tensors it writes.
        quantized: Whether it computes in int8.
    """

    node: onnx.NodeProto
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    quantized: bool = False


@dataclass(frozen=True)
class _Unit:
    """Nodes in a row that the runtime executes as one."""

    nodes: tuple[onnx.NodeProto, ...]
    quantized: bool = False


def executed(graph: onnx.GraphProto) -> tuple[Executed, ...]:
    """What the runtime executes, in its order."""
    known = _Graph(graph)
    alive = [node for node in graph.node if not known.is_constant(node)]
    units: dict[int, _Unit] = {}
    for node in alive:
        unit = _silu(known, node) or _quantized(known, node) or _product_with_constant(known, node)
        if unit is not None and units.keys().isdisjoint(id(one) for one in unit.nodes):
            units |= {id(one): unit for one in unit.nodes}
    found = []
    for node in alive:
        unit = units.get(id(node), _Unit((node,)))
        if unit.nodes[-1] is node:  # stands where the last of its nodes stood
            found.append(_as_one(known, unit))
    return _in_order(_without_idle_dequantizers(known, found))


def _as_one(graph: _Graph, unit: _Unit) -> Executed:
    """One operator of a unit; its first node is what it is called."""
    inner = {name for node in unit.nodes for name in node.output}
    reads = [name for node in unit.nodes for name in node.input if name not in inner]
    if unit.nodes[0].op_type == "Sigmoid" and len(unit.nodes) > 1:
        reads = list(unit.nodes[0].input)  # the product reads the same tensor
    if unit.quantized:
        reads = [graph.quantized_source(name) for name in reads]
    return Executed(
        node=unit.nodes[0],
        reads=tuple(name for name in reads if not graph.is_constant_tensor(name)),
        writes=tuple(name for name in unit.nodes[-1].output if name),
        quantized=unit.quantized,
    )


class _Graph:
    """Who makes and who reads each tensor, and which tensors are known before the run."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.outputs = {value.name for value in graph.output}
        self._made = {name: node for node in graph.node for name in node.output if name}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        self._constants = {tensor.name for tensor in graph.initializer}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
            if self._constants.issuperset(name for name in node.input if name):
                self._constants.update(node.output)

    def is_constant_tensor(self, name: str) -> bool:
        return not name or name in self._constants

    def is_constant(self, node: onnx.NodeProto) -> bool:
        return all(name in self._constants for name in node.output if name)

    def is_dequantized(self, name: str) -> bool:
        maker = self._made.get(name)
        return maker is not None and maker.op_type == "DequantizeLinear"

    def quantized_source(self, name: str) -> str:
        """What a dequantized tensor was before."""
        return self._made[name].input[0] if self.is_dequantized(name) else name

    def only_reader(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """Who reads the node's only output, if nobody else does."""
        if len(node.output) != 1 or node.output[0] in self.outputs:
            return None
        readers = self._readers.get(node.output[0], [])
        return readers[0] if len(readers) == 1 else None


def _quantized(graph: _Graph, node: onnx.NodeProto) -> _Unit | None:
    """An operator between dequantized inputs and a QuantizeLinear, with all nodes up to it."""
    if node.op_type not in NEEDS_QUANTIZED_OUTPUT | QUANTIZED_OR_FLOAT_OUTPUT:
        return None
    data = [name for name in node.input if not graph.is_constant_tensor(name)]
    if not data or not all(graph.is_dequantized(name) for name in data):
        return None
    nodes = [node]
    follower = graph.only_reader(node)
    if follower is not None and follower.op_type in _CLIPS:
        nodes.append(follower)
        follower = graph.only_reader(follower)
    if follower is not None and follower.op_type == "QuantizeLinear":
        return _Unit((*nodes, follower), quantized=True)
    return _Unit((node,), quantized=True) if node.op_type in QUANTIZED_OR_FLOAT_OUTPUT else None


def _silu(graph: _Graph, node: onnx.NodeProto) -> _Unit | None:
    """The product of a float tensor with its own sigmoid."""
    product = graph.only_reader(node) if node.op_type == "Sigmoid" else None
    if product is None or product.op_type != "Mul":
        return None
    is_own = sorted(product.input) == sorted((node.input[0], node.output[0]))
    return _Unit((node, product)) if is_own else None


def _product_with_constant(graph: _Graph, node: onnx.NodeProto) -> _Unit | None:
    """A matrix product and what is added to it or multiplied with it, if that is a constant."""
    follower = graph.only_reader(node) if node.op_type == "MatMul" else None
    if follower is None or follower.op_type not in ("Add", "Div", "Mul"):
        return None
    others = [name for name in follower.input if name != node.output[0]]
    if len(others) != 1 or not graph.is_constant_tensor(others[0]):
        return None
    if follower.op_type == "Add" and not graph.is_constant_tensor(node.input[1]):
        return None
    return _Unit((node, follower))


def _without_idle_dequantizers(graph: _Graph, operators: Sequence[Executed]) -> list[Executed]:
    """Dequantizers that only quantized operators stood behind have nothing left to do."""
    read = Counter(name for one in operators for name in one.reads)
    return [
        one
        for one in operators
        if one.node.op_type != "DequantizeLinear"
        or any(read[name] or name in graph.outputs for name in one.writes)
    ]


def _in_order(operators: Sequence[Executed]) -> tuple[Executed, ...]:
    """The order of ONNX Runtime's sequential executor.

    From the last operators it walks back depth first, of several makers the one that stands last
    in the file first, and executes on the way back (`Graph::ReverseDFSFrom` as `GraphViewer` calls
    it, `onnxruntime/core/graph/graph_viewer.cc`, default execution order).
    """
    maker = {name: place for place, one in enumerate(operators) for name in one.writes}
    makers = [sorted({maker[name] for name in one.reads if name in maker}) for one in operators]
    inner = {place for places in makers for place in places}
    stack = [(place, False) for place in range(len(operators)) if place not in inner]
    seen: set[int] = set()
    order = []
    while stack:
        place, leaving = stack.pop()
        if leaving:
            order.append(operators[place])
        elif place not in seen:
            seen.add(place)
            stack.append((place, True))
            stack.extend((other, False) for other in makers[place] if other not in seen)
    return tuple(order)
