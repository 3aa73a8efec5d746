"""Confidence intervals for shares and for paired differences of shares. Pure mathematics."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson_interval(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927, JASA 22: 209-212).

    Args:
        successes: How many of the trials went well.
        trials: How many trials there were, at least one.
        confidence: Between 0 and 1, for instance 0.95.

    Returns:
        The lower and the upper bound, both between 0 and 1, holding the share itself.

    Raises:
        ValueError: If the counts or the confidence make no sense.

    >>> low, high = wilson_interval(81, 263, 0.95)
    >>> round(low, 4), round(high, 4)
    (0.2553, 0.3662)
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"no share: {successes} of {trials}")
    z = _quantile(confidence)
    share = successes / trials
    centre = (successes + z * z / 2) / (trials + z * z)
    half = z * sqrt(share * (1 - share) * trials + z * z / 4) / (trials + z * z)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def paired_wald_interval(
    lost: float, gained: float, trials: float, confidence: float
) -> tuple[float, float]:
    """The large-sample interval of a difference of shares on the same trials.

    The difference is `(lost - gained) / trials`; its standard error is that of
    Agresti & Min 2005 (Statistics in Medicine 24: 729-740), section 2. Bounds are cut at -1, 1.

    Args:
        lost: Trials that went well before and badly after.
        gained: Trials that went badly before and well after.
        trials: All trials, those without a change included.
        confidence: Between 0 and 1.

    Raises:
        ValueError: If the counts or the confidence make no sense.
    """
    if trials <= 0 or lost < 0 or gained < 0 or lost + gained > trials:
        raise ValueError(f"no difference: {lost} lost and {gained} gained of {trials}")
    z = _quantile(confidence)
    difference = lost - gained
    half = z * sqrt(max(0.0, lost + gained - difference**2 / trials))
    return max(-1.0, (difference - half) / trials), min(1.0, (difference + half) / trials)


def agresti_min_interval(
    lost: int, gained: int, trials: int, confidence: float
) -> tuple[float, float]:
    """The improved interval of a difference of shares on the same trials.

    "Wald+2" of Agresti & Min 2005 (Statistics in Medicine 24: 729-740): half a trial is added to
    each of the four cells (well or badly, before and after), then the large-sample interval is
    taken. It is widened, where needed, to hold the difference that was seen.

    Args:
        lost: Trials that went well before and badly after.
        gained: Trials that went badly before and well after.
        trials: All trials, those without a change included.
        confidence: Between 0 and 1.

    Raises:
        ValueError: If the counts or the confidence make no sense.

    >>> low, high = agresti_min_interval(40, 20, 160, 0.95)
    >>> round(low, 8), round(high, 8)
    (0.03089632, 0.21601726)
    """
    if trials < 1 or lost < 0 or gained < 0 or lost + gained > trials:
        raise ValueError(f"no difference: {lost} lost and {gained} gained of {trials}")
    seen = (lost - gained) / trials
    low, high = paired_wald_interval(lost + 0.5, gained + 0.5, trials + 2, confidence)
    return min(low, seen), max(high, seen)


def bonferroni(confidence: float, intervals: int) -> float:
    """The confidence each of several intervals needs so that all hold at once.

    >>> round(bonferroni(0.95, 10), 6)
    0.995
    """
    if intervals < 1:
        raise ValueError(f"no intervals: {intervals}")
    return 1 - (1 - confidence) / intervals


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
