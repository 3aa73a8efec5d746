"""Which buffers exist while a graph runs, and how many bytes they hold at the worst moment.

The rules are those of ONNX Runtime's allocation planner for one operator after another
(`onnxruntime/core/framework/allocation_planner.cc`: `ComputeSingleStreamReusePlan`,
`FindReusableInput`, `FindReusableTensor`, `SameSize`):

- an operator's outputs come to life when it starts, its inputs die when it ends, if no later
  operator reads them;
- inputs of the graph belong to the caller and live all along, outputs of the graph live to the
  end and have memory of their own;
- a view (Reshape and the like) is the memory of its input under another shape;
- an operator that may work in place writes over its input if it is the last to read it and the
  output has the same shape;
- any other output takes the buffer of a dead tensor of the same shape, the latest to die first.
  That buffer is planned beforehand and is not given back in between, so a graph may hold more
  than its living tensors.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Sharing = Literal["none", "in-place", "view"]


@dataclass(frozen=True)
class Layout:
    """Shape of a tensor and bytes of one of its elements; memory is reused between equal ones."""

    shape: tuple[int, ...]
    element_bytes: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole tensor."""
        return prod(self.shape) * self.element_bytes


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One operator as the memory sees it.

    Attributes:
        name: How a person finds it in the graph.
        reads: Tensors it reads, constants left out; a tensor read twice stands twice.
        writes: Tensors it writes.
        sharing: Whether the first tensor written may be, or always is, the memory of the first one
            read.
        scratch_bytes: Memory of its own while it runs.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    sharing: Sharing = "none"
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Peak:
    """The worst moment.

    Attributes:
        size_bytes: Bytes of all buffers that exist, and the running operator's scratch memory.
        operator: Name of the operator that runs then; empty where no operator runs at all.
    """

    size_bytes: int
    operator: str


def peak(
    moments: Sequence[Moment],
    layouts: Mapping[str, Layout],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> Peak:
    """The worst moment of running the operators in the given order.

    Args:
        moments: The operators, each behind those that write what it reads.
        layouts: Of every input and of every tensor that an operator writes.
        inputs: The graph's inputs.
        outputs: The graph's outputs.
    """
    buffers = plan(moments, layouts, inputs=inputs, outputs=outputs)
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for place, moment in enumerate(moments):
        for name in (*moment.reads, *moment.writes):
            first.setdefault(buffers[name], place)
            last[buffers[name]] = place
    for name in {buffers[name] for name in outputs if name in buffers}:
        last[name] = len(moments)
    living = sum(layouts[name].size_bytes for name in inputs)
    worst = Peak(living, "")
    born: dict[int, int] = Counter()
    died: dict[int, int] = Counter()
    for name in first.keys() - set(inputs):
        born[first[name]] += layouts[name].size_bytes
        died[last[name]] += layouts[name].size_bytes
    for place, moment in enumerate(moments):
        living += born[place]
        if living + moment.scratch_bytes > worst.size_bytes:
            worst = Peak(living + moment.scratch_bytes, moment.name)
        living -= died[place]
    return worst


def plan(
    moments: Sequence[Moment],
    layouts: Mapping[str, Layout],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> dict[str, str]:
    """Tensor to the tensor whose buffer it lies in: itself, or an earlier one."""
    kept = {*inputs, *outputs}
    uses = Counter(name for moment in moments for name in moment.reads)  # still to come, by buffer
    buffers = {name: name for name in inputs}
    dead: list[str] = []  # buffers without use, the latest last
    for moment in moments:
        for place, name in enumerate(moment.writes):
            buffers[name] = name
            if name in outputs:
                continue
            shared = _taken_over(moment, layouts, buffers, uses, kept) if place == 0 else None
            if shared is None:
                shared = _latest_alike(dead, layouts, name)
            if shared is not None:
                buffers[name] = shared
                uses[shared] += uses[name]
        for name in moment.reads:
            uses[buffers[name]] -= 1
        touched = dict.fromkeys(buffers[name] for name in (*moment.reads, *moment.writes))
        dead += [one for one in touched if uses[one] == 0 and one not in kept]
    return buffers


def _taken_over(
    moment: Moment,
    layouts: Mapping[str, Layout],
    buffers: Mapping[str, str],
    uses: Mapping[str, int],
    kept: set[str],
) -> str | None:
    """The buffer that the first output takes over from the first input, if it does."""
    if moment.sharing == "none" or not moment.reads:
        return None
    given = buffers[moment.reads[0]]
    if moment.sharing == "view":
        return given
    last = uses[given] == 1 and given not in kept
    return given if last and layouts[moment.reads[0]] == layouts[moment.writes[0]] else None


def _latest_alike(dead: list[str], layouts: Mapping[str, Layout], name: str) -> str | None:
    """Takes a buffer of the same layout from the dead ones, if there is one."""
    if not layouts[name].shape:
        return None
    for place in reversed(range(len(dead))):
        if layouts[dead[place]] == layouts[name]:
            return dead.pop(place)
    return None
