"""A graph on its way to operators: steps that fusions merge until one step is one kernel call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import onnx

    from edgedistill.core.profile import Precision
    from edgedistill.cost.shapes import Shape, Shapes


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One kernel call of the runtime: a node, or several that are fused.

    Attributes:
        op: The operator, in ONNX's words; also `Silu`, `SkipLayerNormalization`, which are fusions.
        inputs: Tensors it reads; the empty name stands for an input that is not given.
        outputs: Tensors it writes.
        node: The node whose attributes count: the one that works most.
        place: Its place in the order of execution.
        precision: What it computes in, where quantization decides; else its tensors tell.
        activated: Whether an activation is part of it, so that no other can be.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    node: onnx.NodeProto
    place: int
    precision: Precision | None = None
    activated: bool = False

    @property
    def output(self) -> str:
        """The tensor it is there for."""
        return self.outputs[0]

    def reads(self, tensor: str) -> bool:
        """Whether a tensor is among its inputs."""
        return tensor in self.inputs


class Tensors:
    """What is known of the tensors of a graph."""

    def __init__(self, shapes: Shapes, constants: frozenset[str], file: Path) -> None:
        self.shapes = shapes
        self.file = file
        self._constants = constants

    def is_constant(self, tensor: str) -> bool:
        """Whether it follows from the file alone, shapes of inputs included."""
        return tensor in self._constants

    def is_scalar(self, tensor: str) -> bool:
        """Whether it is a constant of one element."""
        return self.is_constant(tensor) and tensor in self.shapes and self.elements(tensor) == 1

    def shape(self, tensor: str) -> Shape:
        """Its shape.

        Raises:
            InputError: If it is unknown.
        """
        return self.shapes[tensor]

    def elements(self, tensor: str) -> int:
        """How many elements it has.

        Raises:
            InputError: If its shape is unknown.
        """
        return prod(self.shapes[tensor])


class Flow:
    """The steps of a graph in their order, with who makes and who reads each tensor."""

    def __init__(self, steps: Iterable[Step], outputs: Iterable[str], tensors: Tensors) -> None:
        self.tensors = tensors
        self._outputs = frozenset(outputs)
        self._steps: dict[int, Step] = {}
        self._makers: dict[str, Step] = {}
        self._readers: dict[str, dict[int, Step]] = {}
        for step in steps:
            self._add(step)

    def __iter__(self) -> Iterator[Step]:
        """The steps as they are now; they may be replaced on the way."""
        return iter([self._steps[place] for place in sorted(self._steps)])

    def __contains__(self, step: object) -> bool:
        return isinstance(step, Step) and self._steps.get(step.place) is step

    def of(self, *ops: str) -> Iterator[Step]:
        """Steps of some operators, each only if it is still there when its turn comes."""
        for step in self:
            if step.op in ops and step in self:
                yield step

    def maker(self, tensor: str, *ops: str) -> Step | None:
        """The step that writes a tensor, if it is of one of the operators (of any without)."""
        step = self._makers.get(tensor)
        return step if step is not None and (not ops or step.op in ops) else None

    def readers(self, tensor: str) -> tuple[Step, ...]:
        """All steps that read a tensor."""
        return tuple(self._readers.get(tensor, {}).values())

    def is_output(self, tensor: str) -> bool:
        """Whether the graph gives this tensor."""
        return tensor in self._outputs

    def follower(self, step: Step, *ops: str) -> Step | None:
        """The only step that sees what this one writes, if it is of one of the operators."""
        readers = self.readers(step.output)
        if len(readers) != 1 or self.is_output(step.output):
            return None
        return readers[0] if not ops or readers[0].op in ops else None

    def other(self, step: Step, tensor: str) -> str:
        """The other operand of a step with two; the empty name if there is none."""
        others = [name for name in step.inputs if name != tensor]
        return others[0] if len(others) == 1 and len(step.inputs) == 2 else ""

    def merge(self, steps: Iterable[Step], into: Step) -> Step:
        """Puts one step in the place of several, where the last of them was.

        Returns:
            The new step.
        """
        gone = list(steps)
        for step in gone:
            self.drop(step)
        merged = replace(into, place=max(step.place for step in gone))
        self._add(merged)
        return merged

    def drop(self, step: Step) -> None:
        """Takes a step out."""
        del self._steps[step.place]
        for name in step.outputs:
            if self._makers.get(name) is step:
                del self._makers[name]
        for name in step.inputs:
            self._readers.get(name, {}).pop(step.place, None)

    def _add(self, step: Step) -> None:
        self._steps[step.place] = step
        for name in step.outputs:
            if name:
                self._makers[name] = step
        for name in step.inputs:
            if name:
                self._readers.setdefault(name, {})[step.place] = step


_CONTROL = frozenset({"If", "Loop", "Scan"})
_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform"}
    | {"RandomUniformLike"}
)
_OF_SHAPES = frozenset({"Shape", "Size"})


def constants_of(graph: onnx.GraphProto) -> frozenset[str]:
    """Tensors that the runtime computes once or never: weights and what follows from them.

    Shapes of tensors count too: every shape is fixed here, and where a file leaves the batch open,
    what is computed with shapes are a few numbers.
    """
    known = {tensor.name for tensor in graph.initializer}
    known |= {tensor.values.name for tensor in graph.sparse_initializer}
    for node in graph.node:
        given = [name for name in node.input if name]
        fixed = node.op_type in _OF_SHAPES or known.issuperset(given)
        if fixed and node.op_type not in _CONTROL and node.op_type not in _RANDOM:
            known.update(name for name in node.output if name)
    return frozenset(known)


def needed_nodes(graph: onnx.GraphProto) -> list[tuple[int, onnx.NodeProto]]:
    """Nodes that some output of the graph depends on, with their places, in their order."""
    wanted = {value.name for value in graph.output}
    kept = []
    for place in range(len(graph.node) - 1, -1, -1):
        node = graph.node[place]
        if wanted.intersection(node.output):
            kept.append((place, node))
            wanted.update(node.input)
    return kept[::-1]


def refuse_control_flow(node: onnx.NodeProto, file: Path) -> None:
    """Raises for operators that run graphs of their own.

    Raises:
        InputError: If the node is one of them.
    """
    if node.op_type in _CONTROL and node.domain in ("", "ai.onnx"):
        raise InputError(
            Fault(
                file=file,
                field=node.name or node.output[0],
                given=node.op_type,
                problem="what this operator runs, and how often, is known only when it runs",
                remedy="Export the network without control flow: torch.onnx.export(..., "
                "dynamo=True) follows one path, a loop of fixed length can be unrolled",
            )
        )
