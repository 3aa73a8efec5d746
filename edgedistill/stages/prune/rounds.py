"""Importance told in rounds: on a network that has lost some of its channels already.

What a channel is worth depends on which others are left (Molchanov et al. 2019, arXiv 1906.10771,
section 3.2: pruning and estimating in turn). What comes out are levers of the whole network, so
that any search for widths can take them. Nothing is trained between the rounds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgedistill.stages.prune.search import widths_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgedistill.stages.prune.levers import Lever, Limits
    from edgedistill.stages.prune.search import Widths

    Rescore = Callable[[Sequence[Lever], Widths], Sequence[Sequence[float]]]
    """Scores of the units that stay in each lever at these widths, in the units' order."""


def scored_in_rounds(
    levers: tuple[Lever, ...], limits: Limits, rounds: int, rescore: Rescore
) -> tuple[Lever, ...]:
    """The levers, their units scored when their turn to go comes near.

    In round k of n the share (k - 1) / n of all units is gone, the least worthy first. A unit
    that is gone keeps the score it went with; one that stays is worth at least that much.

    Args:
        levers: Scored once, on the whole network.
        limits: How narrow a lever may become.
        rounds: How often importance is told, that once included.
        rescore: Tells it again on a narrower network.
    """
    for turn in range(1, rounds):
        widths = widths_at(levers, turn / rounds, limits)
        fresh = rescore(levers, widths)
        levers = tuple(
            _renewed(lever, kept, scores)
            for lever, kept, scores in zip(levers, widths, fresh, strict=True)
        )
    return levers


def _renewed(lever: Lever, kept: int, fresh: Sequence[float]) -> Lever:
    """The lever with new scores for the units that stay, in their order."""
    order = sorted(range(lever.units), key=lambda unit: (lever.scores[unit], unit))
    gone, staying = order[: lever.units - kept], sorted(order[lever.units - kept :])
    scores = list(lever.scores)
    least = max((lever.scores[unit] for unit in gone), default=float("-inf"))
    for unit, score in zip(staying, fresh, strict=True):
        scores[unit] = max(score, least)
    return replace(lever, scores=tuple(scores))
