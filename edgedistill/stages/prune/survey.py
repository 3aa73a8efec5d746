"""What of a network can be narrowed, and what it becomes at given widths."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from edgedistill.errors import Fault, InputError
from edgedistill.models.building import FORWARD_ERRORS, first_line
from edgedistill.models.signature import logits
from edgedistill.stages.prune.cuts import Cuts, cut, cuts_for, dependency_graph
from edgedistill.stages.prune.importance import importance
from edgedistill.stages.prune.levers import Lever, Limits, Untouched, find_levers
from edgedistill.stages.prune.rounds import scored_in_rounds
from edgedistill.stages.prune.search import kept_shares, lever_weights, narrowest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from edgedistill.core.pruning import Prune
    from edgedistill.models.signature import Signature
    from edgedistill.stages.prune.samples import Samples
    from edgedistill.stages.prune.search import Widths


@dataclass(frozen=True)
class Survey:
    """The levers of one network.

    Attributes:
        module: The network, whole.
        signature: What it takes.
        levers: What can be narrowed.
        untouched: What keeps its width, and why.
        limits: How narrow a lever may become.
    """

    module: nn.Module
    signature: Signature
    levers: tuple[Lever, ...]
    untouched: tuple[Untouched, ...]
    limits: Limits

    @property
    def whole(self) -> Widths:
        """The widths of the unpruned network."""
        return tuple(lever.units for lever in self.levers)

    @property
    def narrowest(self) -> Widths:
        """The widths of the smallest network there is."""
        return narrowest(self.levers, self.limits)

    def below_step(self) -> Survey:
        """The same where levers may become less than a step."""
        return replace(self, limits=replace(self.limits, below_step=True))

    def cuts(self, widths: Widths) -> Cuts:
        """What must go for these widths."""
        return cuts_for(self.levers, widths)

    def network(self, widths: Widths) -> nn.Module:
        """A copy of the network at these widths."""
        return cut(self.module, self.signature, self.cuts(widths))

    def named(self, widths: Widths) -> dict[str, int]:
        """The widths by the layer that leads each lever."""
        return {lever.layer: kept for lever, kept in zip(self.levers, widths, strict=True)}

    def kept_importance(self, widths: Widths) -> float:
        """Weighted geometric mean over all levers of the share of their importance that stays.

        A mean of products and not of sums: the last channels of a layer are worth most, and no
        layer can be paid for by another one. Levers whose units are worth more than those of
        levers like them weigh more.
        """
        if not self.levers:
            return 1.0
        weights = lever_weights(self.levers)
        logarithms = [
            weight * math.log(kept_shares(lever)[kept])
            for lever, weight, kept in zip(self.levers, weights, widths, strict=True)
        ]
        return math.exp(math.fsum(logarithms) / math.fsum(weights))


def survey(
    module: nn.Module, signature: Signature, config: Prune, samples: Samples | None = None
) -> Survey:
    """The levers of a network, within what the recipe allows.

    Args:
        module: The network, in eval mode; every parameter wants a gradient. It stays as it is.
        signature: What it takes.
        config: What may not be touched, and how importance is told.
        samples: What the network is shown to tell importance. None where only the widths matter
            and not which channels go: then all are scored by their weights.

    Raises:
        InputError: If a layer to keep does not exist.
    """
    if samples is None:
        config = config.model_copy(update={"importance": "magnitude", "rounds": 1})

    def rescore(levers: Sequence[Lever], widths: Widths) -> list[tuple[float, ...]]:
        narrower = cut(module, signature, cuts_for(levers, widths))
        return _scores_at(_scored(narrower, signature, config, samples)[0], levers, widths)

    levers, untouched = _scored(module, signature, config, samples)
    limits = Limits(config.max_channel_ratio)
    fixed = _fixed_heads(Survey(module, signature, levers, untouched, limits))
    free = tuple(lever for lever in levers if lever.layer not in fixed)
    return Survey(
        module,
        signature,
        levers=scored_in_rounds(free, limits, config.rounds, rescore),
        untouched=(*untouched, *(Untouched(layer, reason) for layer, reason in fixed.items())),
        limits=limits,
    )


def _scored(
    module: nn.Module, signature: Signature, config: Prune, samples: Samples | None
) -> tuple[tuple[Lever, ...], tuple[Untouched, ...]]:
    """The levers, scored on the network as it is, and what is none."""
    graph = dependency_graph(module.requires_grad_(requires_grad=True), signature)
    return find_levers(
        graph,
        keep=kept_layers(module, config.keep),
        round_to=config.multiple,
        score=importance(config.importance, graph, samples),
        scope=config.scope,
    )


def _scores_at(
    narrower: Sequence[Lever], levers: Sequence[Lever], widths: Widths
) -> list[tuple[float, ...]]:
    """Scores of the units that stay; a lever down to one unit is none any more, and that stays."""
    scores = {lever.layer: lever.scores for lever in narrower}
    return [
        scores.get(lever.layer, (1.0,) * kept) for lever, kept in zip(levers, widths, strict=True)
    ]


def _fixed_heads(found: Survey) -> dict[str, str]:
    """Layers of attention modules that hold a width of their own, and why their heads must stay."""
    heads = tuple(lever for lever in found.levers if lever.attention)
    if not _failure(found, heads):
        return {}
    failures = {lever.layer: _failure(found, (lever,)) for lever in heads}
    return {
        layer: f"the network no longer runs when its heads go: {failure}"
        for layer, failure in failures.items()
        if failure
    }


def kept_layers(module: nn.Module, names: tuple[str, ...]) -> frozenset[nn.Module]:
    """The layers of these names, with all layers inside them.

    Raises:
        InputError: With one fault for each name that no layer has.
    """
    known = {name: layer for name, layer in module.named_modules() if name}
    faults = [_no_such_layer(name, known) for name in names if name not in known]
    if faults:
        raise InputError(*faults)
    return frozenset(inner for name in names for inner in known[name].modules())


def _no_such_layer(name: str, known: dict[str, nn.Module]) -> Fault:
    close = difflib.get_close_matches(name, known, n=1)
    some = ", ".join(list(known)[:8])
    return Fault(
        field="stages.prune.keep",
        given=name,
        problem="the network has no layer of this name",
        remedy=f"Did you mean '{close[0]}'?" if close else f"Its layers: {some}, ...",
    )


def require_cuttable(found: Survey) -> None:
    """Refuses a network that no longer runs when channels go, naming the layers.

    Raises:
        InputError: With one fault for each layer whose channels cannot go.
    """
    if not _failure(found, found.levers):
        return
    failures = {lever.layer: _failure(found, (lever,)) for lever in found.levers}
    alone = {layer: failure for layer, failure in failures.items() if failure}
    together = ", ".join(failures)
    raise InputError(
        *(
            Fault(
                field="stages.prune.keep",
                problem=f"the network no longer runs when channels of '{layer}' go: {failure}",
                remedy=f"Add '{layer}' to keep, or let forward() take sizes from its tensors",
            )
            for layer, failure in (alone or {together: _failure(found, found.levers)}).items()
        )
    )


def _failure(found: Survey, levers: tuple[Lever, ...]) -> str:
    """Why the network does not run with these levers at their narrowest; empty if it does."""
    try:
        cuts = cuts_for(levers, narrowest(levers, found.limits))
        smaller = cut(found.module, found.signature, cuts)
        with torch.no_grad():
            logits(smaller, found.signature.zeros())
    except InputError as error:
        return error.faults[0].problem
    except FORWARD_ERRORS as error:
        return first_line(error)
    return ""
