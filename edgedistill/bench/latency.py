"""From raw samples to the latency figures of one model: a pure function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.bench.stability import disturbances
from edgedistill.bench.statistics import (
    Interval,
    percentile_interval,
    ratio_interval,
)
from edgedistill.core.evidence import Evidence, Quantity, wider
from edgedistill.core.report import Latency
from edgedistill.errors import Fault, InputError
from edgedistill.units import NS_PER_MS

if TYPE_CHECKING:
    from edgedistill.bench.samples import Samples

CONFIDENCE = 0.95


def latency(
    samples: Samples,
    name: str,
    *,
    reference: str | None,
    evidence: Evidence,
    confidence: float = CONFIDENCE,
) -> Latency:
    """The latency of one inference of one sample.

    Args:
        samples: Of one measurement in which the model and the reference took turns.
        name: The model.
        reference: The model that the speed-up is against; None (or the model itself) for none.
        evidence: How the samples were got, seen from the profile.
        confidence: Of every interval, two-sided.

    Raises:
        InputError: If the samples hold no such model, or are too few even for the median.
    """
    _check_names(samples, name, reference)
    rounds = samples.wall_ns[name]
    middle, p90, p95 = (
        _milliseconds(samples, name, fraction, evidence, confidence)
        for fraction in (0.5, 0.9, 0.95)
    )
    if middle is None:
        raise InputError(
            Fault(
                field="benchmark.rounds",
                problem=f"too few rounds to state the median at {confidence:.0%} confidence",
                given=str(len(rounds)),
                remedy="Raise benchmark.rounds",
            )
        )
    found = disturbances(rounds, samples.cpu_ns[name], processor_bound=samples.processor_bound)
    return Latency(
        p50_ms=middle,
        p90_ms=p90,
        # No claim for an extreme percentile where there is none for a milder one.
        p95_ms=p95 if p90 else None,
        speedup=speedup(
            samples, name, reference=reference, evidence=evidence, confidence=confidence
        ),
        stable=not found,
    )


def _check_names(samples: Samples, name: str, reference: str | None) -> None:
    wanted = [item for item in (name, reference) if item is not None]
    faults = [
        Fault(
            problem="was not measured here",
            given=item,
            remedy=f"Measured were: {', '.join(sorted(samples.sha256))}",
        )
        for item in wanted
        if item not in samples.sha256
    ]
    if faults:
        raise InputError(*faults)


def _milliseconds(
    samples: Samples, name: str, fraction: float, evidence: Evidence, confidence: float
) -> Quantity | None:
    """One percentile of a model; None where the samples do not reach it at that confidence."""
    rounds = samples.wall_ns[name]
    figure = percentile_interval(rounds, fraction, confidence)
    if figure is None:
        return None
    method = (
        "wall clock of one inference of one sample; order statistics (binomial) over "
        f"{figure.samples} runs in {samples.plan.rounds} interleaved rounds, widened to the "
        f"{figure.effective} independent runs they are worth (Woodruff 1952; Korn & Graubard 1998)"
    )

    def milliseconds(confidence: float) -> tuple[float, float] | None:
        found = percentile_interval(rounds, fraction, confidence)
        return None if found is None else (found.low / NS_PER_MS, found.high / NS_PER_MS)

    low, high = figure.low / NS_PER_MS, figure.high / NS_PER_MS
    return Quantity(
        value=figure.value / NS_PER_MS,
        low=low,
        high=high,
        confidence=confidence,
        evidence=evidence,
        samples=figure.samples,
        method=method,
        wider=wider(low, high, confidence, milliseconds),
    )


def speedup(
    samples: Samples,
    name: str,
    *,
    reference: str | None,
    evidence: Evidence,
    confidence: float = CONFIDENCE,
) -> Quantity | None:
    """How many times as fast as another a model is, from the rounds in which both ran.

    Args:
        samples: Of one measurement in which both took turns.
        name: The model.
        reference: The other; None (or the model itself) for none.
        evidence: How the samples were got, seen from the profile.
        confidence: Of the interval, two-sided.

    Returns:
        None without another model, or where too few rounds are independent of each other.

    Raises:
        InputError: If the samples hold no such model.
    """
    _check_names(samples, name, reference)
    if reference is None or reference == name:
        return None
    clock = samples.cpu_ns if samples.processor_bound else samples.wall_ns

    def ratio(confidence: float) -> Interval | None:
        return ratio_interval(clock[reference], clock[name], confidence)

    def ends(confidence: float) -> tuple[float, float] | None:
        found = ratio(confidence)
        return None if found is None else (found.low, found.high)

    figure = ratio(confidence)
    if figure is None:
        return None
    title = "processor" if samples.processor_bound else "wall"
    why = " (one thread: it does not count what else the machine does)"
    method = (
        f"median of {reference} over median of {name} in each interleaved round, {title} clock"
        f"{why if samples.processor_bound else ''}; median over {figure.samples} rounds with "
        "order statistics (binomial)"
    )
    return Quantity(
        value=figure.value,
        low=figure.low,
        high=figure.high,
        confidence=confidence,
        evidence=evidence,
        samples=figure.samples,
        method=method,
        wider=wider(figure.low, figure.high, confidence, ends),
    )
