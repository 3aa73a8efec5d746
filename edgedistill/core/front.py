"""The Pareto front: which networks no other beats in accuracy and cost at once. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.report import Row


def front(points: Sequence[tuple[float, float]]) -> tuple[bool, ...]:
    """Which points are on the front.

    A point is on it unless another is at least as good in both figures and better in one; equal
    points are on it together. A point that holds NaN or infinity is never on it and beats none.

    Args:
        points: Accuracy (more is better) and cost (less is better) of each network.

    >>> front([(0.9, 2.0), (0.8, 1.0), (0.8, 1.5), (0.9, 2.0)])
    (True, True, False, True)
    """
    order = sorted(
        (place for place, point in enumerate(points) if all(map(math.isfinite, point))),
        key=lambda place: (points[place][1], -points[place][0]),
    )
    on_front = [False] * len(points)
    best: tuple[float, float] | None = None
    for place in order:  # from cheap to dear: on the front is what is more accurate than all before
        if best is None or points[place][0] > best[0] or points[place] == best:
            on_front[place] = True
            best = points[place]
    return tuple(on_front)


def costs(rows: Sequence[Row]) -> tuple[float, ...]:
    """What each network costs: median latency in ms where all were measured, else MACs.

    NaN for a teacher behind an endpoint, which is no network that could be measured.
    """
    networks = [row for row in rows if row.has_file]
    if all(row.latency is not None for row in networks):
        return tuple(row.latency.p50_ms.value if row.latency else math.nan for row in rows)
    return tuple(macs(row) for row in rows)


def macs(row: Row) -> float:
    """Multiply-accumulates of one inference; NaN for a teacher behind an endpoint."""
    return math.nan if row.macs is None else row.macs.value


def rows_on_front(rows: Sequence[Row]) -> tuple[bool, ...]:
    """Which networks are on the front of accuracy and cost."""
    accuracies = [row.accuracy.value for row in rows]
    return front(list(zip(accuracies, costs(rows), strict=True)))
