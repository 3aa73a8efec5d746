"""What an estimate for one runtime and precision of a device rests on, best first.

1. A fitted cost in the profile: its tier and its interval.
2. A shape for the same runtime, precision and processor, measured on other devices: the device's
   speed is its peak by the data sheet times the part of its peak that such a core reaches.
3. Nothing: no number, and a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.core.cost_shape import CostScale
from edgedistill.core.engine import engine_of, runs_on_processor, who_decides
from edgedistill.core.shape_document import shape_that_holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.cost_shape import LinearScale
    from edgedistill.core.fitted import FitError, FittedCost, IntervalFactors, Tier
    from edgedistill.core.hardware import Cluster
    from edgedistill.core.profile import ConvertedRuntime, Precision, Runtime, TargetProfile
    from edgedistill.core.shape_document import ShapeDocument

MACHINE = "aarch64"
"""The instruction set of all devices that the shapes were measured on."""


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A shape, and what the device has of its own on it."""

    document: ShapeDocument
    scale: CostScale


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What an estimate rests on."""

    tier: Tier
    interval: IntervalFactors
    roofline: Scaled | None
    """Of a processor."""
    linear: LinearScale | None
    """Of a GPU or the like, instead."""
    measurements: int
    devices: tuple[str, ...]
    """Where they were taken."""
    threads: tuple[int, ...]
    """The thread counts that were measured."""
    sources: tuple[str, ...]
    error: FitError | None
    method: str
    """How the latency is computed and what it rests on, as a sentence."""


@dataclass(frozen=True)
class NoBasis:
    """Nothing to rest on."""

    reason: str


def basis_of(
    profile: TargetProfile,
    runtime_name: str,
    precision: Precision,
    shapes: Sequence[ShapeDocument],
) -> Basis | NoBasis:
    """What an estimate for a runtime and precision of a profile rests on.

    Args:
        profile: The device.
        runtime_name: One of its runtimes or converted runtimes.
        precision: What the network computes with.
        shapes: All shapes there are.
    """
    runtime = runtime_named(profile, runtime_name)
    fitted = runtime.cost.get(precision)
    if fitted is not None:
        return _fitted(profile, fitted, shapes)
    if precision not in runtime.precisions:
        return NoBasis(
            f"{runtime_name} runs no {precision} here, only {', '.join(runtime.precisions)}"
        )
    return _from_data_sheet(profile, runtime_name, precision, shapes)


def runtime_named(profile: TargetProfile, name: str) -> Runtime | ConvertedRuntime:
    """A runtime or converted runtime of a profile; the caller has checked the name."""
    return profile.runtimes.get(name) or profile.converted_runtimes[name]


def _fitted(
    profile: TargetProfile, fitted: FittedCost, shapes: Sequence[ShapeDocument]
) -> Basis | NoBasis:
    document = next((one for one in shapes if one.name == fitted.shape), None)
    if fitted.scale is not None and document is None:
        return NoBasis(f"the profile names the shape '{fitted.shape}', which is not known")
    own = fitted.measurements > 0
    count = fitted.measurements
    devices: tuple[str, ...] = (profile.title,)
    if document is not None and not own:
        count, devices = document.measurements, document.devices
    where = (
        "start, operators, work and traffic of the unit added up"
        if document is None
        else f"a roofline of each operator in the shape {document.name}"
    )
    return Basis(
        tier=fitted.tier,
        interval=fitted.interval,
        roofline=None
        if document is None or fitted.scale is None
        else Scaled(document=document, scale=fitted.scale),
        linear=fitted.linear,
        measurements=count,
        devices=devices,
        threads=fitted.threads,
        sources=fitted.sources,
        error=fitted.error,
        method=f"{where}, fitted to {count} measurement{'s' if count != 1 else ''} of "
        + ("this device" if own else "other devices"),
    )


def _from_data_sheet(
    profile: TargetProfile,
    runtime_name: str,
    precision: Precision,
    shapes: Sequence[ShapeDocument],
) -> Basis | NoBasis:
    runtime = runtime_named(profile, runtime_name)
    engine = engine_of(runtime)
    if engine is None:
        return NoBasis(
            f"{who_decides(runtime)} decides what runs where and how; its time does not follow "
            "from the operators. Measure on the device"
        )
    if not runs_on_processor(engine):
        return NoBasis(f"there is no fit of {engine} in {precision} for this device")
    if profile.machine != MACHINE:
        return NoBasis(
            f"all fits are of {MACHINE} processors and this one is "
            f"{profile.machine}. Measure one network, then: edgedistill targets fit {profile.name}"
        )
    document = shape_that_holds(shapes, engine, precision, profile.isa_level)
    if document is None:
        return NoBasis(f"there is no fit of {engine} in {precision} for such a processor")
    scale = data_sheet_scale(profile, document)
    tier: Tier = "data-sheet"
    if scale is None:
        return NoBasis("the profile does not give the clock and the width of the processor")
    if tier not in document.intervals:
        return NoBasis(f"the shape {document.name} has no interval for a device not measured")
    core = profile.clusters[0].core
    return Basis(
        tier=tier,
        interval=document.intervals[tier],
        roofline=Scaled(document=document, scale=scale),
        linear=None,
        measurements=document.measurements,
        devices=document.devices,
        threads=document.threads,
        sources=document.sources,
        error=document.errors.get(tier),
        method=f"a roofline of each operator in the shape {document.name}, fitted to "
        f"{document.measurements} measurements of other devices; the speed is the data sheet's "
        f"peak of a {core} times the {100 * document.efficiency_of(core):.0f} % of it that "
        f"{_whose(document, core)}",
    )


def _whose(document: ShapeDocument, core: str) -> str:
    return (
        "cores of its kind reach elsewhere"
        if core in document.core_efficiencies
        else "the devices measured reach at the median"
    )


def data_sheet_scale(profile: TargetProfile, document: ShapeDocument) -> CostScale | None:
    """The speed that the fastest core's peak lets expect; None where the peak is unknown."""
    peak = peak_macs_per_s(profile.clusters[0]) if profile.clusters else None
    if peak is None:
        return None
    return CostScale(macs_per_s=peak * document.efficiency_of(profile.clusters[0].core))


def peak_macs_per_s(cluster: Cluster) -> float | None:
    """Multiply-accumulates a second of one core in fp32; None where clock or width is unknown.

    >>> from edgedistill.core.hardware import Cluster
    >>> a72 = Cluster(core="a", count=4, clock_ghz=1.5, fp32_flop_per_cycle=8, source="none")
    >>> peak_macs_per_s(a72)
    6000000000.0
    """
    if cluster.clock_ghz is None or cluster.fp32_flop_per_cycle is None:
        return None
    return cluster.clock_ghz * 1e9 * cluster.fp32_flop_per_cycle / 2


def core_speeds(profile: TargetProfile) -> tuple[float, ...]:
    """Peak of each core as a part of the first one's; empty where a peak is unknown."""
    peaks = [(peak_macs_per_s(cluster), cluster.count) for cluster in profile.clusters]
    if not peaks or any(peak is None for peak, _ in peaks):
        return ()
    first = peaks[0][0] or 1.0
    return tuple((peak or 0.0) / first for peak, count in peaks for _ in range(count))


def parts_of(
    profile: TargetProfile,
    runtime_name: str,
    own: Scaled,
    precisions: Sequence[Precision],
    shapes: Sequence[ShapeDocument],
) -> dict[Precision, Scaled] | NoBasis:
    """Shape and scale of each precision that single operators of a network have.

    The scale is the profile's own where that precision was fitted, else that of the network's
    precision times the ratio of what cores reach in the two.

    Args:
        profile: The device.
        runtime_name: One of its runtimes.
        own: That of the network's own precision.
        precisions: Those of the operators.
        shapes: All shapes there are.
    """
    parts: dict[Precision, Scaled] = {}
    for precision in precisions:
        found = _part(profile, runtime_name, own, precision, shapes)
        if isinstance(found, NoBasis):
            return found
        parts[precision] = found
    return parts


def _part(
    profile: TargetProfile,
    runtime_name: str,
    own: Scaled,
    precision: Precision,
    shapes: Sequence[ShapeDocument],
) -> Scaled | NoBasis:
    if own.document.precision == precision:
        return own
    runtime = runtime_named(profile, runtime_name)
    fitted = runtime.cost.get(precision)
    if fitted is not None and fitted.scale is not None:
        found = _fitted(profile, fitted, shapes)
        return found if isinstance(found, NoBasis) else found.roofline or own
    document = shape_that_holds(shapes, own.document.engine, precision, profile.isa_level)
    if document is None:
        return NoBasis(
            f"some operators run in {precision}, for which there is no fit of "
            f"{own.document.engine} for such a processor"
        )
    core = profile.clusters[0].core if profile.clusters else ""
    ratio = document.efficiency_of(core) / own.document.efficiency_of(core)
    return Scaled(document=document, scale=CostScale(macs_per_s=own.scale.macs_per_s * ratio))
