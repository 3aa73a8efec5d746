"""What a look at all profiles and shapes found: faults, and how far estimates are off."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.core.basis import NoBasis, basis_of, runtime_named
from edgedistill.core.engine import engine_of
from edgedistill.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgedistill.core.fitted import FitError, FittedCost, IntervalFactors, Tier
    from edgedistill.core.profile import TargetProfile
    from edgedistill.core.shape_document import ShapeDocument


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
class ShapeRow:
    """One shape and one tier of what rests on it. Percentages are on what the fit had not seen."""

    shape: str
    engine: str
    precision: str
    tier: Tier
    measurements: int
    devices: int
    """On how many devices they were taken."""
    mean_percent: float | None
    median_percent: float | None
    p90_percent: float | None
    within_10_percent_fraction: float | None
    macs_constant_mean_percent: float | None
    interval_low: float
    interval_high: float
    confidence: float
    coverage_fraction: float | None


@dataclass(frozen=True, kw_only=True)
class EstimateRow:
    """What an estimate for one runtime and precision of a profile rests on."""

    target: str
    runtime: str
    precision: str
    tier: Tier
    reason: str | None = None
    """Why nothing is estimated; None where something is."""
    method: str | None = None
    measurements: int = 0
    threads: tuple[int, ...] = ()
    """The thread counts that were measured."""
    mean_percent: float | None
    p90_percent: float | None
    within_10_percent_fraction: float | None
    macs_constant_mean_percent: float | None
    interval_low: float | None
    interval_high: float | None
    coverage_fraction: float | None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TargetsCheck:
    """All profiles and shapes, read."""

    profiles: tuple[str, ...]
    """The names of the profiles that are valid."""
    faults: tuple[Fault, ...]
    """All faults of all files."""
    fits: tuple[FitRow, ...]
    """The fits of the valid profiles."""
    shapes: tuple[ShapeRow, ...] = ()
    """The valid shapes, tier by tier."""
    estimates: tuple[EstimateRow, ...] = ()
    """What an estimate rests on, for each valid profile, runtime and precision."""

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
            "shapes": [asdict(row) for row in self.shapes],
            "estimates": [asdict(row) for row in self.estimates],
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


def shape_rows(document: ShapeDocument) -> Iterator[ShapeRow]:
    """The tiers of a shape, as it lists them."""
    for tier, interval in document.intervals.items():
        error = document.errors.get(tier)
        yield ShapeRow(
            shape=document.name,
            engine=document.engine,
            precision=document.precision,
            tier=tier,
            measurements=document.measurements,
            devices=len(document.devices),
            median_percent=error.median_percent if error else None,
            confidence=interval.confidence,
            **_figures(error, interval),
        )


def estimate_rows(profile: TargetProfile, shapes: Sequence[ShapeDocument]) -> Iterator[EstimateRow]:
    """What an estimate rests on, runtime by runtime and precision by precision."""
    for name in (*profile.runtimes, *profile.converted_runtimes):
        for precision in runtime_named(profile, name).precisions:
            basis = basis_of(profile, name, precision, shapes)
            where: dict[str, Any] = {
                "target": profile.name,
                "runtime": name,
                "precision": precision,
            }
            if isinstance(basis, NoBasis):
                yield EstimateRow(
                    **where, tier="unsupported", reason=basis.reason, **_figures(None, None)
                )
                continue
            yield EstimateRow(
                **where,
                tier=basis.tier,
                method=basis.method,
                measurements=basis.measurements,
                threads=basis.threads,
                sources=basis.sources,
                **_figures(basis.error, basis.interval),
            )


def mismatches(
    profile: TargetProfile, shapes: Sequence[ShapeDocument], file: Path
) -> Iterator[Fault]:
    """Fitted costs that name a shape which does not exist, or is that of something else."""
    known = {one.name: one for one in shapes}
    for section in ("runtimes", "converted_runtimes"):
        for name, runtime in getattr(profile, section).items():
            for precision, cost in runtime.cost.items():
                if cost.shape is None:
                    continue
                problem = _wrong_shape(known.get(cost.shape), precision, engine_of(runtime))
                if problem is None:
                    continue
                fitting = [
                    one.name
                    for one in shapes
                    if (one.engine, one.precision) == (engine_of(runtime), precision)
                ]
                yield Fault(
                    file=file,
                    field=f"{section}.{name}.cost.{precision}.shape",
                    given=repr(cost.shape),
                    problem=problem,
                    remedy=f"Name one of: {', '.join(fitting)}"
                    if fitting
                    else "Leave the cost out: there is no shape for it",
                )


def _wrong_shape(document: ShapeDocument | None, precision: str, engine: str | None) -> str | None:
    if document is None:
        return "is not a known shape of the cost model"
    if document.precision != precision:
        return f"is a shape for {document.precision}"
    return f"is a shape for {document.engine}" if document.engine != engine else None


def _figures(error: FitError | None, interval: IntervalFactors | None) -> dict[str, Any]:
    return {
        "mean_percent": error.mean_percent if error else None,
        "p90_percent": error.p90_percent if error else None,
        "within_10_percent_fraction": error.within_10_percent_fraction if error else None,
        "macs_constant_mean_percent": error.macs_constant_mean_percent if error else None,
        "interval_low": interval.low if interval else None,
        "interval_high": interval.high if interval else None,
        "coverage_fraction": interval.coverage_fraction if interval else None,
    }


def _row(target: str, runtime: str, precision: str, cost: FittedCost) -> FitRow:
    return FitRow(
        target=target,
        runtime=runtime,
        precision=precision,
        tier=cost.tier,
        measurements=cost.measurements,
        median_percent=cost.error.median_percent if cost.error else None,
        confidence=cost.interval.confidence,
        **_figures(cost.error, cost.interval),
    )
