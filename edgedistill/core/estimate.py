"""What an inference is said to cost on a device that nobody has plugged in."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.evidence import Quantity
from edgedistill.core.fitted import FitError, Tier
from edgedistill.core.hardware import Source
from edgedistill.core.operator_kind import Kind
from edgedistill.core.strict import Strict


class KindCost(Strict):
    """What all operators of one kind cost together."""

    kind: Kind = Field(strict=False)
    """Their kind."""
    operators: int = Field(ge=1)
    """How many there are."""
    macs: int = Field(ge=0)
    """Their multiply-accumulates."""
    latency_ms: float = Field(ge=0)
    """Their time."""
    share_fraction: float = Field(ge=0, le=1)
    """Their part of the whole latency."""


class OperatorCost(Strict):
    """What one operator costs."""

    place: int = Field(ge=0)
    """Its place among the network's operators, in the order of execution."""
    kind: Kind = Field(strict=False)
    """Its kind."""
    precision: Literal["fp32", "fp16", "int8"]
    """What it computes with."""
    macs: int = Field(ge=0)
    """Its multiply-accumulates."""
    latency_ms: float = Field(ge=0)
    """Its time."""


class Estimate(Strict):
    """What a network costs on a target, how sure that is, and what it rests on.

    The interval is for this one network on one device of the target's kind, at batch 1, otherwise
    idle and not throttled. It covers what the fit left unexplained on networks and, below the tier
    `measured`, on devices it had not seen. It does not cover another version of the runtime with
    other kernels, other clocks, or a neighbour that wants the same cores.
    """

    schema_version: Literal[1] = 1
    """Version of this document's schema."""
    document: Literal["edgedistill-estimate"] = "edgedistill-estimate"
    """What this document is."""
    network: str | None = None
    """The network's name, or its file."""
    target: str
    """The profile's name."""
    target_title: str
    """What a person calls the target."""
    runtime: str
    """The profile's name for the runtime."""
    precision: Literal["fp32", "fp16", "int8"]
    """What the network computes with; single operators may have a precision of their own."""
    threads: int = Field(ge=1)
    """Threads of the inference."""
    macs: int = Field(ge=0)
    """Multiply-accumulates of the network."""
    tier: Tier
    """What the latency rests on, in a word."""
    reason: str | None = None
    """Why there is no latency; absent where there is one."""
    latency_ms: Quantity | None = None
    """Median latency of one inference; absent where nothing is known."""
    sources: tuple[Source, ...] = Field(default=(), strict=False)
    """Where the measurements behind the latency stand."""
    devices: tuple[str, ...] = Field(default=(), strict=False)
    """On which devices they were taken."""
    measurements: int = Field(default=0, ge=0)
    """How many there are."""
    error: FitError | None = None
    """How far estimates of this tier were off on families they had not seen."""
    by_kind: tuple[KindCost, ...] = Field(default=(), strict=False)
    """Where the time goes, the longest first."""
    operators: tuple[OperatorCost, ...] = Field(default=(), strict=False)
    """The operators that take time, in their order."""
    size_mb: Quantity | None = None
    """Size of the model file (10^6 bytes); absent where the network is no file."""
    peak_memory_mb: Quantity | None = None
    """What one inference adds to the memory of a process (10^6 bytes); absent where it cannot be
    told."""
    energy_mj: Quantity | None = None
    """Energy of one inference in millijoules; absent without power figures or a latency."""

    @model_validator(mode="after")
    def _a_latency_or_a_reason(self) -> Self:
        if (self.latency_ms is None) != (self.tier == "unsupported") or (
            (self.latency_ms is None) != (self.reason is not None)
        ):
            raise ValueError("a latency, or tier 'unsupported' and a reason. Give one of the two")
        return self
