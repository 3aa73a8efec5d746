"""Whether a machine was quiet enough while measuring."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from edgedistill.bench.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

_WAITING_RATIO = 1.25
_WAITING_SHARE = 0.10
_SCATTER = 0.25
_WANDER = 0.05
_SERIAL_Z = 2.33


def disturbances(
    wall_ns: Sequence[Sequence[int]],
    cpu_ns: Sequence[Sequence[int]],
    *,
    processor_bound: bool,
) -> tuple[str, ...]:
    """What disturbed a measurement, in words; empty where nothing did.

    Args:
        wall_ns: Wall times of one model, by round.
        cpu_ns: Processor times of the same runs.
        processor_bound: One thread on the CPU, so that wall and processor time should agree.
    """
    found = []
    if processor_bound:
        share = waiting_share(wall_ns, cpu_ns)
        if share > _WAITING_SHARE:
            found.append(
                f"in {share:.0%} of the runs the process waited for the processor: "
                "something else was running"
            )
    medians = [median(samples) for samples in wall_ns]
    spread = (percentile(medians, 0.9) - percentile(medians, 0.1)) / median(medians)
    if spread > _SCATTER:
        found.append(f"the rounds' medians scatter by {spread:.0%}")
    elif spread > _WANDER and serial_z(medians) > _SERIAL_Z:
        found.append(
            f"the rounds' medians wander by {spread:.0%}: the clock or the load changed slowly"
        )
    return tuple(found)


def waiting_share(wall_ns: Sequence[Sequence[int]], cpu_ns: Sequence[Sequence[int]]) -> float:
    """Share of runs whose wall time is more than 1.25 times their processor time.

    >>> waiting_share([[100, 200]], [[99, 100]])
    0.5
    """
    pairs = [
        (wall, cpu)
        for walls, cpus in zip(wall_ns, cpu_ns, strict=True)
        for wall, cpu in zip(walls, cpus, strict=True)
    ]
    return sum(wall > _WAITING_RATIO * cpu for wall, cpu in pairs) / len(pairs)


def serial_z(values: Sequence[float]) -> float:
    """How many standard deviations the first serial correlation of the ranks is above chance.

    Bartels (1982, *JASA* 77:40-46), the rank version of von Neumann's ratio: the mean squared
    difference of neighbouring ranks is about 2 in independent series, with variance 4 / n, and
    small where a series wanders or drifts.

    >>> serial_z(range(100)) > 5, serial_z([1, 2] * 50) > 0
    (True, False)
    """
    ranks = _ranks(values)
    center = sum(ranks) / len(ranks)
    spread = sum((rank - center) ** 2 for rank in ranks)
    if spread == 0.0:
        return 0.0
    steps = sum((after - before) ** 2 for before, after in pairwise(ranks))
    return (2.0 - steps / spread) * math.sqrt(len(ranks)) / 2.0


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share the mean of theirs."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), start=1):
        places.setdefault(value, []).append(place)
    return [sum(places[value]) / len(places[value]) for value in values]
