"""The ratio of two models' latencies over several starts of the device's process.

**Starts.** Within one process a ratio keeps a bias of its own: where the two models came to lie in
memory, in which order they were loaded. Rounds of that process share it, however many there are, so
an interval over them is narrower than what starting again would give. Here each start is one
observation: both models are loaded anew and take turns, and the ratio of their percentiles over
that start is one number. The median of these numbers is bounded by order statistics, as any median
(`bench.statistics`).

**Looks.** Measuring goes on until every ratio's interval lies wholly inside or outside its limit,
or the last look is taken. Looking several times and stopping where it suits would make errors more
likely: each of L looks could err. So the intervals of each look are at 1 - (1 - confidence) / L: by
Bonferroni those of all looks hold the ratio at once with the confidence that is claimed, wherever
it stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from edgedistill.bench.statistics import percentile, percentile_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgedistill.bench.samples import Samples
    from edgedistill.bench.statistics import Interval


@dataclass(frozen=True)
class Course:
    """What was seen until the limits were settled, or the last look was taken.

    Attributes:
        ratios: Name to the ratio of each start.
        looks: How many looks there could have been.
    """

    ratios: Mapping[str, Sequence[float]]
    looks: int

    def interval(self, name: str, confidence: float) -> Interval | None:
        """The median ratio; its interval holds at all looks at once with that confidence.

        Returns:
            None where the starts are too few for it.
        """
        share = (1.0 - confidence) / self.looks
        return percentile_interval([[ratio] for ratio in self.ratios[name]], 0.5, 1.0 - share)


def start_ratio(samples: Samples, above: str, below: str, fraction: float) -> float:
    """One model's percentile over the other's, in the interleaved rounds of one start.

    One thread on the processor is timed by the processor's clock, which does not count what else
    the machine does; else by the wall clock.

    Args:
        samples: Of one start, in which both took turns.
        above: The model in the numerator.
        below: The model in the denominator.
        fraction: Which percentile, between 0 and 1.
    """
    clock = samples.cpu_ns if samples.processor_bound else samples.wall_ns
    over, under = (
        percentile(list(chain.from_iterable(clock[name])), fraction) for name in (above, below)
    )
    return over / under


def measure_until_settled(
    starts: Iterable[Mapping[str, float]],
    limits: Mapping[str, float],
    *,
    confidence: float,
    looks: Sequence[int],
) -> Course:
    """Takes starts until every limit is settled, or the last look is taken.

    Args:
        starts: The ratios of each start by name, made as they are asked for.
        limits: Name to the largest ratio that is allowed.
        confidence: That all looks at one ratio hold it at once.
        looks: After how many starts it looks, rising; no more are taken than the last says.
    """
    ratios: dict[str, list[float]] = {name: [] for name in limits}
    course = Course(ratios, len(looks))
    for count, start in enumerate(starts, start=1):
        for name, seen in ratios.items():
            seen.append(start[name])
        if count >= looks[-1] or (count in looks and _settled(course, limits, confidence)):
            break
    return course


def _settled(course: Course, limits: Mapping[str, float], confidence: float) -> bool:
    """Whether every interval lies wholly inside (the limit may be touched) or outside."""
    for name, limit in limits.items():
        found = course.interval(name, confidence)
        if found is None or found.low <= limit < found.high:
            return False
    return True
