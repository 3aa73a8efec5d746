"""A figure as the gate reads it: a value with its intervals. Standard library only, quick to load.

`core.evidence.Quantity` is the same as a strict document of a report; this is what is judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.evidence import Quantity

LADDER = (0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)
"""Confidences at which a figure keeps its interval besides its own. With the gate's 95 % they serve
5, 10, 25, 50, 100 and 500 checks at once (Bonferroni)."""


class Evidence(StrEnum):
    """How a number was got, from the strongest kind to the weakest."""

    MEASURED_ON_DEVICE = "measured-on-device"
    MEASURED_ON_STAND_IN = "measured-on-stand-in"
    EMULATED = "emulated"
    ESTIMATED = "estimated"
    COUNTED = "counted"
    """Exact by construction: bytes of a file, operations of a graph."""


class Rung(NamedTuple):
    """The interval of a figure at a higher confidence."""

    confidence: float
    """Of this interval."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A value with its interval, its confidence and how it was got."""

    # For pydantic, which prints schemas; reading and writing do without it.
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "allow_inf_nan": False,
        "use_attribute_docstrings": True,
    }

    value: float
    """The figure itself."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end."""
    confidence: float
    """Of the interval; 1.0 for what is exact."""
    evidence: Evidence
    """How it was got."""
    samples: int
    """How many observations stand behind it."""
    method: str
    """How value and interval were computed, with the source."""
    wider: tuple[Rung, ...] = ()
    """The same interval at higher confidences, rising."""

    @classmethod
    def of(cls, quantity: Quantity | Figure) -> Figure:
        """The same as a light record; what is one already stays."""
        if isinstance(quantity, Figure):
            return quantity
        return cls(
            value=quantity.value,
            low=quantity.low,
            high=quantity.high,
            confidence=quantity.confidence,
            evidence=quantity.evidence,
            samples=quantity.samples,
            method=quantity.method,
            wider=tuple(Rung(one.confidence, one.low, one.high) for one in quantity.wider),
        )

    @property
    def exact(self) -> bool:
        """Whether no confidence is asked of it: its interval is the value itself."""
        return self.confidence == 1.0

    @property
    def finite(self) -> bool:
        """Whether it is an interval of finite numbers around its value."""
        ends = (self.low, self.value, self.high)
        return all(math.isfinite(end) for end in ends) and self.low <= self.value <= self.high

    def at(self, confidence: float) -> Self | None:
        """The figure with its narrowest stored interval of at least that confidence.

        None where it holds none. What is exact holds at any confidence.

        >>> half = Figure(value=2.0, low=1.0, high=3.0, confidence=0.95, samples=9, method="test",
        ...     evidence=Evidence.ESTIMATED, wider=(Rung(0.99, 0.5, 3.5), Rung(0.999, 0.1, 3.9)))
        >>> half.at(0.9).low, half.at(0.96).low, half.at(0.991).low, half.at(0.9999)
        (1.0, 0.5, 0.1, None)
        """
        # What a person writes (0.99) and what follows from it (1 - 0.05 / 5) differ by rounding.
        if self.confidence >= confidence - ROUNDING:
            return self
        for place, rung in enumerate(self.wider):
            if rung.confidence >= confidence - ROUNDING:
                return replace(
                    self,
                    low=rung.low,
                    high=rung.high,
                    confidence=rung.confidence,
                    wider=self.wider[place + 1 :],
                )
        return None

    @property
    def highest_confidence(self) -> float:
        """The highest confidence it holds an interval at."""
        return self.wider[-1].confidence if self.wider else self.confidence


ROUNDING = 1e-12
"""Confidences this near are one."""


def rungs(
    low: float,
    high: float,
    confidence: float,
    interval: Callable[[float], tuple[float, float] | None],
) -> tuple[Rung, ...]:
    """A figure's interval at each confidence of the ladder that is higher than its own.

    Args:
        low: Lower end at the figure's own confidence.
        high: Upper end there.
        confidence: The figure's own.
        interval: The interval at a confidence, by the figure's own method; None where its samples
            do not reach that far.

    Returns:
        What the method gives, each interval holding the one before: where rounding would narrow one
        it is widened.
    """
    found: list[Rung] = []
    for step in LADDER:
        if step <= confidence + ROUNDING:
            continue
        ends = interval(step)
        if ends is None:
            break
        low, high = min(low, ends[0]), max(high, ends[1])
        found.append(Rung(step, low, high))
    return tuple(found)
