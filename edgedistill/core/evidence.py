"""How a number was got, and under which conditions. No figure travels without it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from edgedistill.core.strict import Strict


class Evidence(StrEnum):
    """How a number was got, from the strongest kind to the weakest."""

    MEASURED_ON_DEVICE = "measured-on-device"
    MEASURED_ON_STAND_IN = "measured-on-stand-in"
    EMULATED = "emulated"
    ESTIMATED = "estimated"
    COUNTED = "counted"
    """Exact by construction: bytes of a file, operations of a graph."""


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

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError("the interval does not hold the value. Give low <= value <= high")
        return self


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
