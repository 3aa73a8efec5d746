"""Importance told in rounds: on a network that has lost some of its channels already.

What a channel is worth depends on which others are left (Molchanov et al. 2019, arXiv 1906.10771,
section 3.2: pruning and estimating in turn). What comes out are levers of the whole network, so
that any search for widths can take them. Nothing is trained between the rounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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
    that is gone keeps the score it went with; what stays is worth more than all that is gone.

    Args:
        levers: Scored once, on the whole network.
        limits: How narrow a lever may become.
        rounds: How often importance is told, that once included.
        rescore: Tells it again on a narrower network.
    """
    for turn in range(1, rounds):
        widths = widths_at(levers, turn / rounds, limits)
        fresh = rescore(levers, widths)
        parts = [_Parted(*parted) for parted in zip(levers, widths, fresh, strict=True)]
        levers = tuple(
            part.renewed([other for other in parts if other.lever.scope == part.lever.scope])
            for part in parts
        )
    return levers


@dataclass(frozen=True)
class _Parted:
    """A lever at a width, and new scores for the units that stay, in their order."""

    lever: Lever
    kept: int
    fresh: Sequence[float]

    @property
    def order(self) -> list[int]:
        """The units, the least worthy first."""
        return sorted(range(self.lever.units), key=lambda unit: (self.lever.scores[unit], unit))

    @property
    def worth_of_gone(self) -> float:
        """The score of the worthiest unit that is gone."""
        gone = self.order[: self.lever.units - self.kept]
        return self.lever.scores[gone[-1]] if gone else -math.inf

    def renewed(self, peers: Sequence[_Parted]) -> Lever:
        """The lever with its new scores, all of them raised above what is gone of its scope."""
        gone = max(peer.worth_of_gone for peer in peers)
        least = min(min(peer.fresh) for peer in peers)
        lift = max(0.0, gone - least)
        scores = list(self.lever.scores)
        staying = sorted(self.order[self.lever.units - self.kept :])
        for unit, score in zip(staying, self.fresh, strict=True):
            scores[unit] = max(score + lift, math.nextafter(gone, math.inf))
        return replace(self.lever, scores=tuple(scores))
