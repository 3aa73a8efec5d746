"""What a fit of the cost model left behind: parameters, and the evidence that they rest on."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.cost_shape import CostScale, LinearScale
from edgedistill.core.hardware import Source
from edgedistill.core.strict import Strict

Tier = Literal["measured", "few-measurements", "pooled", "data-sheet", "unsupported"]
"""What an estimate rests on, best first: many measurements of this device and runtime; a handful of
them on a shape shared with others; none of them, but of the same runtime elsewhere; the data sheet
alone; nothing, so that no estimate is given."""


class FitError(Strict):
    """How far the fit was off on networks whose family it had not seen."""

    mean_percent: float = Field(ge=0)
    """Mean absolute percentage error."""
    median_percent: float = Field(ge=0)
    """Median absolute percentage error."""
    p90_percent: float = Field(ge=0)
    """Absolute percentage error that nine of ten networks keep."""
    within_10_percent_fraction: float = Field(ge=0, le=1)
    """Fraction of networks whose estimate is off by at most 10 %."""
    macs_constant_mean_percent: float | None = Field(default=None, ge=0)
    """The baseline on the same networks: mean absolute percentage error of MACs times one
    constant."""


class IntervalFactors(Strict):
    """What an estimate is divided and multiplied by to give its interval."""

    low: float = Field(gt=0, le=1)
    """The estimate times this is the interval's low end."""
    high: float = Field(ge=1)
    """The estimate times this is the interval's high end."""
    confidence: float = Field(default=0.9, gt=0, lt=1)
    """How often the interval is meant to hold the measurement."""
    coverage_fraction: float | None = Field(default=None, ge=0, le=1)
    """How often it held one on networks whose family the fit had not seen."""


class FittedCost(Strict):
    """Fitted parameters of the cost model for one runtime and precision, with their evidence."""

    shape: str | None = None
    """The name of the shape that the scale belongs to; absent where the unit is a linear one."""
    scale: CostScale | None = None
    """What the device has of its own on that shape."""
    linear: LinearScale | None = None
    """Instead of shape and scale: the figures of a GPU or another linear unit."""
    measurements: int = Field(ge=0)
    """How many measurements of this device were used."""
    families: int | None = Field(default=None, ge=0)
    """To how many families the measured networks belong."""
    threads: tuple[int, ...] = Field(default=(), strict=False)
    """The thread counts that were measured."""
    sources: tuple[Source, ...] = Field(strict=False, min_length=1)
    """Where the measurements stand: publication, reference, licence."""
    fitted_on: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    """The day of the fit, year-month-day."""
    error: FitError | None = None
    """Error on families left out; absent where there was nothing to leave out."""
    interval: IntervalFactors
    """From the residuals of the tier."""
    tier: Tier
    """What the estimates rest on."""

    @model_validator(mode="after")
    def _is_roofline_or_linear(self) -> Self:
        if (self.shape is None) != (self.scale is None) or (self.scale is None) == (
            self.linear is None
        ):
            raise ValueError(
                "shape and scale belong together, linear stands alone. Give one of the two"
            )
        return self

    @model_validator(mode="after")
    def _tier_matches_its_evidence(self) -> Self:
        if self.tier in ("measured", "few-measurements") and self.measurements == 0:
            raise ValueError(f"tier '{self.tier}' needs measurements. Count them or lower the tier")
        if self.tier == "measured" and self.error is None:
            raise ValueError("tier 'measured' needs its error on families left out. Add error")
        if self.tier == "unsupported":
            raise ValueError("tier 'unsupported' has no parameters. Leave the cost out")
        return self
