"""What each lever saves at each width: measured at a few widths, and never a bad bargain."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from edgedistill.stages.prune.knapsack import Option
from edgedistill.stages.prune.search import kept_shares, lever_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.stages.prune.levers import Lever, Limits
    from edgedistill.stages.prune.search import Widths


GRIDS = (1, 2)
"""Widths are searched on multiples of so many steps of a lever, side by side."""


def widths_on(lever: Lever, limits: Limits, every: int) -> tuple[int, ...]:
    """The widths of a lever on a grid, ascending: where it is narrowed, multiples of so many steps.

    What is less than a step is on every grid.
    """
    coarse = every * lever.step
    return tuple(
        width
        for width in lever.widths(limits)
        if width % coarse == 0 or width < lever.step or width == lever.units
    )


def narrowest_on(levers: Sequence[Lever], limits: Limits, every: int) -> Widths:
    """The smallest network on a grid."""
    return tuple(widths_on(lever, limits, every)[0] for lever in levers)


def probes(levers: Sequence[Lever], limits: Limits, *, networks: int) -> tuple[Widths, ...]:
    """Networks in which one lever is narrowed and the others are whole.

    Each lever is probed at its narrowest width and, as far as the number allows, at widths evenly
    between. Where there are more levers than networks, each is still probed once.

    Args:
        levers: What can be narrowed.
        limits: How far.
        networks: About how many networks may be probed.
    """
    each = max(1, networks // max(1, len(levers)))
    whole = tuple(lever.units for lever in levers)
    found = []
    for at, lever in enumerate(levers):
        narrower = lever.widths(limits)[:-1]
        count = min(each, len(narrower))
        places = {step * len(narrower) // count for step in range(count)}
        found += [(*whole[:at], narrower[place], *whole[at + 1 :]) for place in sorted(places)]
    return tuple(found)


def options(
    levers: Sequence[Lever], limits: Limits, shares: Mapping[Widths, float], *, every: int = 1
) -> tuple[tuple[Option, ...], ...]:
    """The options of each lever for the knapsack.

    The cost of an option is what it saves of the unpruned network, negative; its value is the
    weighted logarithm of the importance that stays, so that the sum of values ranks networks as
    `Survey.kept_importance` does.

    Args:
        levers: What can be narrowed.
        limits: How far.
        shares: Cost of the probed networks as a share of the unpruned one.
        every: Widths are multiples of so many steps of the lever.
    """
    whole = tuple(lever.units for lever in levers)
    found = []
    for at, (lever, weight) in enumerate(zip(levers, lever_weights(levers), strict=True)):
        points = {
            widths[at]: share
            for widths, share in shares.items()
            if widths[:at] == whole[:at] and widths[at + 1 :] == whole[at + 1 :]
        }
        costs = filled(repaired({**points, lever.units: 1.0}), lever.widths(limits))
        grid = widths_on(lever, limits, every)
        kept = kept_shares(lever)
        found.append(
            tuple(
                Option(width, share - 1.0, weight * math.log(kept[width]))
                for width, share in costs.items()
                if width in grid
            )
        )
    return tuple(found)


def repaired(points: Mapping[int, float]) -> dict[int, float]:
    """The points without those that cost as much as a wider one, or more; the widest first.

    Kernels work in blocks of channels, so a narrower layer can be slower: nobody gains by it.
    """
    kept: dict[int, float] = {}
    for width in sorted(points, reverse=True):
        if not kept or points[width] < min(kept.values()):
            kept[width] = points[width]
    return kept


def filled(points: Mapping[int, float], widths: Sequence[int]) -> dict[int, float]:
    """The costs at all widths between the points, on straight lines; the widest first.

    Args:
        points: Width to cost, the cost rising with the width.
        widths: Which widths there are.
    """
    known = sorted(points.items())
    found = dict(points)
    for (low, less), (high, more) in pairwise(known):
        for width in widths:
            if low < width < high:
                found[width] = less + (more - less) * (width - low) / (high - low)
    return dict(sorted(found.items(), reverse=True))
