"""Which widths: the largest network that costs no more than it may.

The cost is a function that is handed in, so that another one (a latency) drops in.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgedistill.core.stage import Advance
    from edgedistill.stages.prune.levers import Lever, Limits

    Widths = tuple[int, ...]
    Cost = Callable[[Widths], int]

_LEAST_SHARE = 1e-9
"""Stands for a share of nothing, so that it has a logarithm."""
BISECTIONS = 30
"""Halvings of the pruning ratio: below one part in 10^9, finer than any layer's width."""


def widths_at(levers: Sequence[Lever], ratio: float, limits: Limits) -> Widths:
    """Units that stay in each lever when this share of all units goes, the least worthy first.

    Units of one scope are ranked together by their scores; then each width is rounded and held
    above the lever's narrowest. No lever grows when the ratio does.

    Args:
        levers: What can be pruned.
        ratio: Share of units to remove, 0 (nothing) to 1 (down to the narrowest).
        limits: How narrow a lever may become.
    """
    left = [lever.units for lever in levers]
    for scope in {lever.scope for lever in levers}:
        ranked = sorted(
            (score, at)
            for at, lever in enumerate(levers)
            if lever.scope == scope
            for score in lever.scores
        )
        for _, at in ranked[: round(ratio * len(ranked))]:
            left[at] -= 1
    return tuple(lever.rounded(kept, limits) for lever, kept in zip(levers, left, strict=True))


def narrowest(levers: Sequence[Lever], limits: Limits) -> Widths:
    """Units that stay in each lever of the smallest network there is."""
    return tuple(lever.narrowest(limits) for lever in levers)


def kept_shares(lever: Lever) -> tuple[float, ...]:
    """The share of a lever's importance that stays when 0, 1, ... all of its units stay.

    The worthiest stay. Scores below the least are counted from there, so that shares rise with
    the width; where all are alike, or nothing is worth anything, each unit is worth the same.
    """
    lowest = min(0.0, *lever.scores)
    worth = sorted((score - lowest for score in lever.scores), reverse=True)
    whole = math.fsum(worth)
    if not 0.0 < whole < math.inf:
        return tuple(max(_LEAST_SHARE, kept / lever.units) for kept in range(lever.units + 1))
    sums = itertools.accumulate(worth, initial=0.0)
    return (
        *(
            min(1.0, max(_LEAST_SHARE, part / whole))
            for part in itertools.islice(sums, lever.units)
        ),
        1.0,
    )


def lever_weights(levers: Sequence[Lever]) -> list[float]:
    """How much each lever's units are worth against those of its scope; 1 where nobody can tell."""
    means = [math.fsum(lever.scores) / lever.units for lever in levers]
    weights = []
    for lever, mean in zip(levers, means, strict=True):
        peers = [
            other for one, other in zip(levers, means, strict=True) if one.scope == lever.scope
        ]
        usual = math.fsum(peers) / len(peers)
        weights.append(mean / usual if usual > 0 and mean > 0 else 1.0)
    return weights


def largest_within(
    levers: Sequence[Lever],
    limits: Limits,
    *,
    cost: Cost,
    limit: float,
    advance: Advance,
) -> Widths | None:
    """The widest network whose cost is at most the limit.

    Bisects the pruning ratio, then gives back what rounding took too much: the most worthy
    removed units first, while the cost allows it. The cost of each set of widths is asked for
    once; it must not fall when a lever grows.

    Args:
        levers: What can be pruned.
        limits: How narrow a lever may become.
        cost: What a network of these widths costs.
        limit: What it may cost.
        advance: Told after each of the `BISECTIONS` halvings and for each lever.

    Returns:
        The widths, or None where even the narrowest network costs more.
    """
    known: dict[Widths, int] = {}

    def fits(widths: Widths) -> bool:
        if widths not in known:
            known[widths] = cost(widths)
        return known[widths] <= limit

    best = narrowest(levers, limits)
    if not fits(best):
        return None
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        widths = widths_at(levers, middle, limits)
        if fits(widths):
            best, high = widths, middle
        else:
            low = middle
        advance()
    return _grown(levers, limits, best, fits, advance)


def _grown(
    levers: Sequence[Lever],
    limits: Limits,
    widths: Widths,
    fits: Callable[[Widths], bool],
    advance: Advance,
) -> Widths:
    """The widths, each lever made as wide again as fits."""
    growing = set(range(len(levers)))
    while growing:
        chosen = max(growing, key=lambda at: (levers[at].worth_of_next(widths[at]), -at))
        wider = [width for width in levers[chosen].widths(limits) if width > widths[chosen]]
        candidate = (*widths[:chosen], *wider[:1], *widths[chosen + 1 :])
        if wider and fits(candidate):
            widths = candidate
        else:
            growing.remove(chosen)
            advance()
    return widths
