"""How a number was got, and under which conditions. No figure travels without it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from edgedistill.core.figure import Evidence, Figure, rungs
from edgedistill.core.strict import Strict

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Conditions", "Evidence", "Quantity", "Wider", "counted", "quantity_of", "wider"]


class Wider(Strict):
    """A figure's interval at a higher confidence than its own."""

    confidence: float = Field(gt=0, lt=1)
    """Of this interval."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""


class Quantity(Strict):
    """A value with its interval, its confidence and how it was got."""

    value: float
    low: float
    high: float
    confidence: float = Field(gt=0, le=1)
    """Confidence of the interval; 1.0 for what was counted."""
    evidence: Evidence = Field(strict=False)
    samples: int = Field(ge=1)
    """How many observations stand behind the value."""
    method: str
    """How value and interval were computed, with the source."""
    wider: tuple[Wider, ...] = Field(default=(), strict=False)
    """The same interval at higher confidences, rising, each holding the one before: what a gate
    with several checks needs. Empty where the method gives one confidence only."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError("the interval does not hold the value. Give low <= value <= high")
        inner: Quantity | Wider = self
        for outer in self.wider:
            if not outer.confidence > inner.confidence:
                raise ValueError("wider is not rising. Give confidences in rising order")
            if not (outer.low <= inner.low and inner.high <= outer.high):
                raise ValueError(
                    "an interval of wider does not hold the one before. Give wider intervals"
                )
            inner = outer
        return self

    def at(self, confidence: float) -> Quantity | None:
        """The figure with its narrowest stored interval of at least that confidence.

        None where it holds none. What is exact holds at any confidence.
        """
        found = Figure.of(self).at(confidence)
        if found is None:
            return None
        kept = len(found.wider)
        return self.model_copy(
            update={
                "low": found.low,
                "high": found.high,
                "confidence": found.confidence,
                "wider": self.wider[len(self.wider) - kept :],
            }
        )


def wider(
    low: float,
    high: float,
    confidence: float,
    interval: Callable[[float], tuple[float, float] | None],
) -> tuple[Wider, ...]:
    """A figure's interval at the higher confidences of the ladder, as `core.figure.rungs`."""
    return tuple(
        Wider(confidence=rung.confidence, low=rung.low, high=rung.high)
        for rung in rungs(low, high, confidence, interval)
    )


def quantity_of(figure: Figure | None) -> Quantity | None:
    """What the gate judged, as a figure of a report; None where it is no finite interval."""
    if figure is None or not figure.finite:
        return None
    rungs = tuple(Wider(**one._asdict()) for one in figure.wider)
    parts = {one.name: getattr(figure, one.name) for one in fields(figure)}
    return Quantity(**{**parts, "wider": rungs})


def counted(value: float, method: str) -> Quantity:
    """An exact figure: its interval is the value itself."""
    return Quantity(
        value=value,
        low=value,
        high=value,
        confidence=1.0,
        evidence=Evidence.COUNTED,
        samples=1,
        method=method,
    )


class Conditions(Strict):
    """Under which conditions something was measured. Runs under unlike conditions never mix."""

    device: str
    """The profile's name."""
    processor: str
    """The processor as the machine names it."""
    machine: str
    """Instruction set, for instance x86_64 or aarch64."""
    isa_flags: tuple[str, ...] = Field(default=(), strict=False)
    """Those of the processor's flags that choose a kernel, for instance avx512_vnni, asimddp."""
    runtime: str
    """Runtime and version, for instance onnxruntime 1.31.1."""
    provider: str
    """Execution provider, for instance CPUExecutionProvider."""
    threads: int = Field(ge=1)
    operating_system: str
    governor: str | None = None
    """CPU frequency governor, where the device tells."""
