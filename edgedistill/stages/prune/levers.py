"""What can be pruned: groups of coupled channels, each a lever with scores and allowed widths.

Which layers must change together is torch-pruning's dependency graph (Fang et al. 2023, arXiv
2301.12900). A lever is one such group. The choice of widths is ours and not the library's
pruner: within one step that one neither holds its largest pruning ratio nor prunes a layer that
rounding would empty, so more pruning can give a larger network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from edgedistill.stages.prune.attention import Attention, find_attention

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import torch

    from edgedistill.stages.prune.importance import Score


@dataclass(frozen=True)
class Limits:
    """How narrow a lever may become.

    Attributes:
        max_channel_ratio: No layer loses more than this share of its channels.
        below_step: Whether a lever may also become a half, a quarter, ... of its step.
    """

    max_channel_ratio: float
    below_step: bool = False


@dataclass(frozen=True)
class Lever:
    """One group of channels that go or stay together.

    Attributes:
        layer: Dotted name of the layer whose outputs are chosen; the others follow.
        members: For each unit the channels it stands for: one channel, one of each block where
            the group has blocks (grouped convolution, group norm), or a whole attention head.
        scores: What each unit is worth, one number a unit; only within one scope comparable.
        scope: Levers of the same structure are ranked against each other (isomorphic pruning,
            Fang et al. 2024, arXiv 2407.04616).
        step: Widths are multiples of this many units.
        attention: The attention modules whose heads the units are.
    """

    layer: str
    members: tuple[tuple[int, ...], ...]
    scores: tuple[float, ...]
    scope: tuple[str, ...]
    step: int
    attention: tuple[Attention, ...] = ()

    @property
    def units(self) -> int:
        """How many units there are before pruning."""
        return len(self.members)

    def narrowest(self, limits: Limits) -> int:
        """The fewest units that may stay."""
        return self.widths(limits)[0]

    def widths(self, limits: Limits) -> tuple[int, ...]:
        """The numbers of units that may stay, ascending: multiples of the step, and all units."""
        least = max(1, math.ceil(self.units * (1 - limits.max_channel_ratio) - 1e-9))
        multiples = range(self.step * math.ceil(least / self.step), self.units, self.step)
        halves = [
            self.step >> times
            for times in range((self.step & -self.step).bit_length() - 1, 0, -1)
            if limits.below_step and least <= self.step >> times < self.units
        ]
        return (*halves, *multiples, self.units)

    def rounded(self, units: int, limits: Limits) -> int:
        """The allowed number of units nearest to `units`."""
        return min(self.widths(limits), key=lambda width: (abs(width - units), -width))

    def worth_of_next(self, kept: int) -> float:
        """The score of the best unit that goes when this many stay; below all where none goes."""
        ascending = sorted(self.scores)
        return ascending[self.units - kept - 1] if kept < self.units else float("-inf")

    def removed(self, kept: int) -> list[int]:
        """The channels that go when this many units stay: those of the least worth."""
        order = sorted(range(self.units), key=lambda unit: (self.scores[unit], unit))
        gone = order[: self.units - kept]
        return sorted(channel for unit in gone for channel in self.members[unit])


@dataclass(frozen=True)
class Untouched:
    """A layer that keeps its width, and why."""

    layer: str
    reason: str


def find_levers(
    graph: Any,
    *,
    keep: Collection[nn.Module],
    round_to: int,
    score: Score,
    scope: Literal["global", "local"] = "global",
) -> tuple[tuple[Lever, ...], tuple[Untouched, ...]]:
    """All levers of a network, and the layers that are none.

    Args:
        graph: torch-pruning's dependency graph of the network.
        keep: Layers that must keep their outputs.
        round_to: Channel counts are multiples of this.
        score: Scores a whole group, one number a channel; None where it cannot.
        scope: Whether levers of one structure are ranked together, or each by itself.
    """
    attentions = find_attention(graph)
    levers: list[Lever] = []
    untouched: list[Untouched] = []
    for group in graph.get_all_groups(root_module_types=[nn.modules.conv._ConvNd, nn.Linear]):
        layer = graph._module2name[group[0].dep.target.module]
        outputs = _outputs(graph, group)
        heads = _heads(graph, outputs, attentions)
        members = _members(len(group[0].idxs), _blocks(graph, group), heads)
        reason = _why_not(graph, group, outputs, keep, attentions)
        if not reason and len(members) < 2:
            # Before it is scored: torch-pruning fails on a convolution with one input a group.
            reason = "its channels cannot be told apart"
        scores = None if reason else score(group)
        if reason or scores is None:
            untouched.append(Untouched(layer, reason or "its channels cannot be scored"))
            continue
        levers.append(
            Lever(
                layer=layer,
                members=members,
                scores=_unit_scores(scores, members),
                scope=(layer,) if scope == "local" else _scope(graph, group, heads),
                step=1 if heads else round_to // math.gcd(round_to, len(members[0])),
                attention=heads,
            )
        )
    return tuple(levers), tuple(untouched)


def _outputs(graph: Any, group: Any) -> list[Any]:
    """Nodes of the group whose output channels go."""
    return [dep.target for dep, _ in group if graph.is_out_channel_pruning_fn(dep.handler)]


def _why_not(
    graph: Any,
    group: Any,
    outputs: Iterable[Any],
    keep: Collection[nn.Module],
    attentions: tuple[Attention, ...],
) -> str | None:
    nodes = list(outputs)
    modules = [node.module for node in nodes]
    if any(not node.outputs for node in nodes):
        return "it gives the network's output"
    if any(module in keep for module in modules if isinstance(module, nn.Module)):
        return "the recipe keeps it"
    if any(_starts_a_stream(node) for node in nodes):
        return "it belongs to a residual stream that starts in an embedding or a bare parameter"
    if any(isinstance(dep.target.module, nn.MultiheadAttention) for dep, _ in group):
        return "it feeds a MultiheadAttention module, whose width is fixed"
    mixes = any("Attention" in str(node.name) or "BmmBackward" in str(node.name) for node in nodes)
    if mixes and not _heads(graph, nodes, attentions):
        return "it belongs to an attention whose heads could not be told"
    return None


def _starts_a_stream(node: Any) -> bool:
    """Whether what the node holds is a stream's own values and not only a factor on its channels.

    A factor (the layer scale of ConvNeXt) loses the channels that its stream loses.
    """
    if isinstance(node.module, nn.Parameter):
        factor = all(following.grad_fn.name() == "MulBackward0" for following in node.outputs)
        return not factor or sum(size > 1 for size in node.module.shape) != 1
    return isinstance(node.module, nn.Embedding)


def _heads(
    graph: Any, outputs: Iterable[Any], attentions: tuple[Attention, ...]
) -> tuple[Attention, ...]:
    """The attention modules all of whose projections are in the group."""
    names = {graph._module2name.get(node.module) for node in outputs}
    return tuple(found for found in attentions if set(found.projections) <= names)


def _blocks(graph: Any, group: Any) -> int:
    """Into how many equal blocks the group's channels fall (grouped convolution, group norm)."""
    blocks = 1
    for dep, _ in group:
        module = dep.target.module
        convolution = isinstance(module, nn.modules.conv._ConvNd)
        if not isinstance(module, nn.Module) or (
            convolution and module.groups == module.out_channels
        ):
            continue
        pruner = graph.get_pruner_of_module(module)
        outward = graph.is_out_channel_pruning_fn(dep.handler)
        count = pruner.get_out_channel_groups if outward else pruner.get_in_channel_groups
        blocks = math.lcm(blocks, int(count(module)))
    return blocks


def _members(
    channels: int, blocks: int, heads: tuple[Attention, ...]
) -> tuple[tuple[int, ...], ...]:
    if heads:
        return heads[0].members(channels)
    if channels % blocks:
        return ()
    size = channels // blocks
    return tuple(tuple(range(unit, channels, size)) for unit in range(size))


def _unit_scores(scores: torch.Tensor, members: tuple[tuple[int, ...], ...]) -> tuple[float, ...]:
    # torch-pruning divides by the group's mean: a group of zeros only has no score, it is worth 0.
    values = scores.double().nan_to_num(nan=0.0)
    return tuple(float(values[list(unit)].mean()) for unit in members)


def _scope(graph: Any, group: Any, heads: tuple[Attention, ...]) -> tuple[str, ...]:
    """The kinds of nodes in the group, in order: equal for layers that play the same part."""
    if heads:
        return ("heads",)
    return tuple(
        f"{type(dep.target.module).__name__}:"
        f"{'out' if graph.is_out_channel_pruning_fn(dep.handler) else 'in'}"
        for dep, _ in group
    )
