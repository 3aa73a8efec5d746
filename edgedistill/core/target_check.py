"""What a look at all target profiles found: faults, and how far each fit was off."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.fitted import FittedCost, Tier
    from edgedistill.core.profile import TargetProfile
    from edgedistill.errors import Fault


@dataclass(frozen=True, kw_only=True)
class FitRow:
    """One fit of one profile. Percentages are on families that the fit had not seen."""

    target: str
    runtime: str
    precision: str
    tier: Tier
    measurements: int
    mean_percent: float | None
    """Mean absolute percentage error; None where nothing could be left out."""
    median_percent: float | None
    p90_percent: float | None
    within_10_percent_fraction: float | None
    macs_constant_mean_percent: float | None
    """The baseline: mean absolute percentage error of MACs times one constant."""
    interval_low: float
    interval_high: float
    confidence: float
    coverage_fraction: float | None
    """How often the interval held a measurement."""


@dataclass(frozen=True, kw_only=True)
class TargetsCheck:
    """All profiles, read."""

    profiles: tuple[str, ...]
    """The names of those that are valid."""
    faults: tuple[Fault, ...]
    """All faults of the others."""
    fits: tuple[FitRow, ...]
    """The fits of the valid ones."""

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "schema_version": 1,
            "profiles": list(self.profiles),
            "faults": [
                {key: None if value is None else str(value) for key, value in asdict(fault).items()}
                for fault in self.faults
            ],
            "fits": [asdict(row) for row in self.fits],
        }


def rows_of(profile: TargetProfile) -> Iterator[FitRow]:
    """The fits of a profile, runtime by runtime and precision by precision."""
    costs = [
        *((name, runtime.cost) for name, runtime in profile.runtimes.items()),
        *((name, runtime.cost) for name, runtime in profile.converted_runtimes.items()),
    ]
    for name, cost in costs:
        for precision, fitted in sorted(cost.items()):
            yield _row(profile.name, name, precision, fitted)


def _row(target: str, runtime: str, precision: str, cost: FittedCost) -> FitRow:
    error, interval = cost.error, cost.interval
    return FitRow(
        target=target,
        runtime=runtime,
        precision=precision,
        tier=cost.tier,
        measurements=cost.measurements,
        mean_percent=error.mean_percent if error else None,
        median_percent=error.median_percent if error else None,
        p90_percent=error.p90_percent if error else None,
        within_10_percent_fraction=error.within_10_percent_fraction if error else None,
        macs_constant_mean_percent=error.macs_constant_mean_percent if error else None,
        interval_low=interval.low,
        interval_high=interval.high,
        confidence=interval.confidence,
        coverage_fraction=interval.coverage_fraction,
    )
