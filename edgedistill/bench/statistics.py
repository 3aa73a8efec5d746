"""Percentiles and ratios with intervals that claim no more than the samples hold.

The interval of a percentile is a pair of order statistics (David & Nagaraja 2003, *Order
Statistics*, section 7.1): the number of samples below the true percentile is binomial, whatever
the distribution of latencies. That needs independent samples. Samples of one round are not: a
disturbance lasts. So the interval is taken twice and the wider one counts: once over all samples,
and once over the *effective* number of independent samples after Korn & Graubard (1998, *Survey
Methodology* 24:193-201) in the manner of Woodruff (1952, *JASA* 47:635-646): the variance of the
share of samples below the percentile is taken between blocks of rounds, compared with that of
independent samples, and corrected for how few blocks there are. Blocks of one, two and three
rounds are tried, as a disturbance may outlast a round, and the smallest effective number counts.
Where even the outermost sample does not bound the percentile at the wanted confidence, or fewer
than ten rounds tell how rounds differ, there is no interval: None. A claimed interval is wrong in
at most 1 - confidence of all measurements, None counted as no claim. What wanders over many
rounds no interval within one measurement can see whole: `bench.stability` flags it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_ROUNDS = 10
"""Fewer rounds (or blocks of rounds) say too little about how rounds differ."""
_BLOCK_ROUNDS = (1, 2, 3)
_WINDOW_DEVIATIONS = 12.0


@dataclass(frozen=True)
class Interval:
    """A point estimate and the interval around it.

    Attributes:
        value: The estimate.
        low: Lower end.
        high: Upper end.
        samples: How many observations stand behind it.
        effective: How many independent ones they are worth.
    """

    value: float
    low: float
    high: float
    samples: int
    effective: int


def percentile(values: Sequence[float], fraction: float) -> float:
    """The percentile by linear interpolation (Hyndman & Fan 1996, definition 7).

    >>> percentile([4.0, 1.0, 3.0, 2.0], 0.5)
    2.5
    """
    ordered = sorted(values)
    position = (len(ordered) - 1) * fraction
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def order_bounds(samples: int, fraction: float, confidence: float) -> tuple[int, int] | None:
    """Ranks (from 1) of the two order statistics that hold the percentile between them.

    Below X_(low) the percentile lies with a probability of at most (1 - confidence) / 2, above
    X_(high) as well. None where no sample is extreme enough.

    >>> order_bounds(10, 0.5, 0.95), order_bounds(5, 0.5, 0.95)
    ((2, 9), None)
    """
    tail = (1.0 - confidence) / 2.0
    low, high = 0, samples + 1
    below = 0.0  # P(B <= rank - 1), B binomial
    for rank, mass in _binomial_window(samples, fraction):
        below += mass
        if below <= tail:
            low = rank + 1
        if below >= 1.0 - tail:
            high = rank + 1
            break
    return (low, high) if low >= 1 and high <= samples else None


def percentile_interval(
    rounds: Sequence[Sequence[float]], fraction: float, confidence: float
) -> Interval | None:
    """A percentile over all samples, with an interval honest about rounds that differ.

    Args:
        rounds: The samples of each round, in order of time, equally many in each.
        fraction: Which percentile, between 0 and 1.
        confidence: Of the interval, two-sided.

    Returns:
        None where the samples or rounds are too few, or too few of them independent.
    """
    if len(rounds) < MIN_ROUNDS:
        return None
    ordered = sorted(chain.from_iterable(rounds))
    value = percentile(ordered, fraction)
    effective = effective_samples(rounds, fraction, confidence)
    lows, highs = [value], [value]
    for count in (len(ordered), effective):
        bounds = order_bounds(count, fraction, confidence)
        if bounds is None:
            return None
        below, above = (len(ordered) * rank / count for rank in (bounds[0] - 1, bounds[1]))
        lows.append(ordered[math.floor(below)])  # both ranks are rounded outwards
        highs.append(ordered[math.ceil(above) - 1])
    return Interval(value, min(lows), max(highs), len(ordered), effective)


def effective_samples(rounds: Sequence[Sequence[float]], fraction: float, confidence: float) -> int:
    """How many independent samples the rounds are worth for one percentile, at least 1.

    Korn & Graubard's n* = p (1 - p) / v * (t_{n-1} / t_{blocks-1})^2, where v is the variance of
    the share below the percentile, estimated between blocks of rounds.
    """
    total = sum(len(samples) for samples in rounds)
    limit = percentile(list(chain.from_iterable(rounds)), fraction)
    shares = [sum(value <= limit for value in samples) / len(samples) for samples in rounds]
    least = float(total)
    for length in _BLOCK_ROUNDS:
        blocks = _block_means(shares, length)
        if len(blocks) < MIN_ROUNDS:
            break
        center = math.fsum(blocks) / len(blocks)
        spread = math.fsum((share - center) ** 2 for share in blocks)
        if spread > 0.0:
            variance = spread / (len(blocks) * (len(blocks) - 1))
            few = student_t(confidence, total - 1) / student_t(confidence, len(blocks) - 1)
            least = min(least, fraction * (1.0 - fraction) / variance * few**2)
    return max(1, math.floor(least))


def ratio_interval(
    numerator: Sequence[Sequence[float]],
    denominator: Sequence[Sequence[float]],
    confidence: float,
) -> Interval | None:
    """The ratio of two models' latencies, from rounds in which both ran.

    Each round gives one ratio of medians, in which what disturbed the whole round cancels; the
    median of these ratios is bounded like any median, over rounds.
    """
    ratios = [
        median(above) / median(below) for above, below in zip(numerator, denominator, strict=True)
    ]
    return percentile_interval([[ratio] for ratio in ratios], 0.5, confidence)


def student_t(confidence: float, degrees: int) -> float:
    """The two-sided quantile of Student's t distribution, for 3 degrees of freedom or more.

    Abramowitz & Stegun 1964, equation 26.7.5; from 9 degrees on good to three places.

    >>> round(student_t(0.95, 9), 2), round(student_t(0.95, 29), 3)
    (2.26, 2.045)
    """
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    terms = (
        z,
        (z**3 + z) / 4.0,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96.0,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384.0,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160.0,
    )
    return math.fsum(term / degrees**power for power, term in enumerate(terms))


def _block_means(shares: Sequence[float], length: int) -> list[float]:
    """Means over whole blocks of consecutive rounds; a rest at the end joins no block."""
    starts = range(0, len(shares) - length + 1, length)
    return [math.fsum(shares[start : start + length]) / length for start in starts]


def _binomial_window(samples: int, fraction: float) -> list[tuple[int, float]]:
    """(k, P(B = k)) wherever that is more than dust (12 standard deviations around the mean)."""
    mean = samples * fraction
    reach = _WINDOW_DEVIATIONS * math.sqrt(mean * (1.0 - fraction)) + _WINDOW_DEVIATIONS
    first = max(0, math.floor(mean - reach))
    last = min(samples, math.ceil(mean + reach))
    whole = math.lgamma(samples + 1)
    hit, miss = math.log(fraction), math.log1p(-fraction)
    return [
        (
            k,
            math.exp(
                whole
                - math.lgamma(k + 1)
                - math.lgamma(samples - k + 1)
                + k * hit
                + (samples - k) * miss
            ),
        )
        for k in range(first, last + 1)
    ]
