"""The scale of a plot's axis: from a value to a place, with round ticks. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

_ROUND = (1, 2, 5)
_MOST_TICKS = 7
_LEAST_SPREAD = 1e-3
"""Of an axis, relative to its values: closer ones stand at one place."""
_LEAST_STEP = 1e-9


@dataclass(frozen=True)
class Scale:
    """An axis from its first tick to its last."""

    ticks: tuple[float, ...]
    """In rising order, at least two."""
    start: float
    """Where the first tick stands, in pixels."""
    end: float
    """Where the last tick stands, in pixels."""
    logarithmic: bool

    def place(self, value: float) -> float:
        """Where a value stands, in pixels.

        >>> linear(0.0, 10.0, start=100.0, end=200.0).place(5.0)
        150.0
        """
        low, high, at = (
            (math.log(part) if self.logarithmic else part)
            for part in (self.ticks[0], self.ticks[-1], value)
        )
        return self.start + (self.end - self.start) * (at - low) / (high - low)


def linear(low: float, high: float, *, start: float, end: float) -> Scale:
    """Even steps of 1, 2 or 5 times a power of ten around the values.

    Args:
        low: The least value.
        high: The greatest value, not below it.
        start: Where the first tick stands, in pixels.
        end: Where the last one stands.

    >>> linear(0.0, 0.61, start=0.0, end=1.0).ticks
    (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    """
    spread = max(high - low, _LEAST_SPREAD * max(abs(low), abs(high)), _LEAST_STEP)
    power = math.floor(math.log10(spread / _MOST_TICKS))
    factor, power = next(
        (factor, exponent)
        for exponent in (power, power + 1)
        for factor in _ROUND
        if factor * 10.0**exponent * _MOST_TICKS >= spread
    )
    step = factor * 10.0**power
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    digits = max(0, -power)
    ticks = tuple(round(place * step, digits) for place in range(first, last + 1))
    return Scale(ticks, start, end, logarithmic=False)


def logarithmic(low: float, high: float, *, start: float, end: float) -> Scale:
    """Equal distances for equal ratios, ticks at 1, 2 and 5 times powers of ten.

    Args:
        low: The least value, above 0.
        high: The greatest value.
        start: Where the first tick stands, in pixels.
        end: Where the last one stands.

    >>> logarithmic(0.3, 4.0, start=0.0, end=1.0).ticks
    (0.2, 0.5, 1.0, 2.0, 5.0)
    """
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    series = [float(f"{factor}e{power}") for power in powers for factor in _ROUND]
    below = max(tick for tick in series if tick <= low)
    above = min(tick for tick in series if tick >= high and tick > below)
    ticks = tuple(tick for tick in series if below <= tick <= above)
    return Scale(ticks, start, end, logarithmic=True)
