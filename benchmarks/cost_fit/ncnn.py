"""ncnn on processors: fp32, fp16, and int8 without and with dot products, each a shape of its own.

Shapes are fitted to rows on one thread; how threads share the work is fitted after that, to rows of
the same devices on several equal cores. What a fit is worth is found by leaving out, each time a
whole family of networks on all devices, since a user's network has been measured nowhere, nor has
its twin with another head: on a device with many rows; on a device with the three rows of `FEW`
only; on a device known by its data sheet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Literal

import numpy as np
from cores import CORES, PRIOR, Slopes, efficiencies
from folds import Guess, baseline_s, by_group, held_out
from ncnn_boards import (
    DOT_PRODUCT,
    FIRST_DAY,
    FIRST_INT8_DAY,
    GENERAL_KERNELS_DAY,
    HALF_PRECISION,
    Place,
    place_of,
)
from priors import NCNN_FP16, NCNN_FP32, NCNN_INT8, NCNN_INT8_DOT_PRODUCT
from result import FITTED_ON, ProfileCost, Result
from scipy.optimize import least_squares
from table import error_of, error_of_devices

from edgedistill.core.cost_shape import CostScale
from edgedistill.core.fitted import FittedCost, IntervalFactors, Tier
from edgedistill.core.operator_kind import Kind
from edgedistill.core.shape_document import ShapeDocument
from edgedistill.cost.accuracy import interval_of_devices
from edgedistill.cost.fitting import Fitted, Measurement, Priors, fit
from edgedistill.cost.refit import refined
from edgedistill.cost.roofline import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rows import Published
    from table import Table

    from edgedistill.core.cost_shape import CostShape
    from edgedistill.core.hardware import IsaLevel

SOURCE = "ncnn, benchmark/README.md (Tencent), CPU, rows of 2020 to 2026, BSD-3-Clause"
FEW = ("squeezenet", "mobilenet_v2", "resnet18")
"""Networks that a device of tier few-measurements has shown."""
TOLERANCE = 1e-4
"""Of a fit: estimates differ by half a percent at most from those of one a thousandth as lax."""
MANY = 4
"""From this many rows on one thread on, a device is of tier measured."""


@dataclass(frozen=True)
class Plan:
    """One shape: which rows, and how they are read."""

    name: str
    precision: Literal["fp32", "fp16", "int8"]
    isa_levels: tuple[IsaLevel, ...]
    bytes_per_element: float
    priors: Priors
    days: tuple[str, str] = (FIRST_DAY, "9999")
    """The first day whose rows belong here, and the first one whose do not."""
    doubted: Mapping[str, float] = field(default_factory=dict)
    """Networks that count less, with their weight."""

    def takes(self, precision: str, core: str, day: str) -> bool:
        """Whether a row belongs here.

        Args:
            precision: As the table has it; fp32 and fp16 are told apart by what the core can do.
            core: Where it ran.
            day: When it was added.
        """
        if not self.days[0] <= day < self.days[1]:
            return False
        if self.precision == "int8":
            with_dots = "dotprod" in self.isa_levels
            return (
                precision == "int8" and day >= FIRST_INT8_DAY and (core in DOT_PRODUCT) == with_dots
            )
        half = precision == "fp16" and core in HALF_PRECISION
        return precision != "int8" and half == (self.precision == "fp16")


INT8_DAYS = (FIRST_INT8_DAY, "9999")
UNEVEN = {"blazeface": 0.1}
"""In fp16 its residuals differ between devices three times as much as those of other networks."""
PLANS = (
    Plan("ncnn-cpu-fp32", "fp32", ("none",), 4.0, NCNN_FP32),
    Plan(
        "ncnn-cpu-fp16",
        "fp16",
        ("none", "dotprod", "i8mm"),
        2.0,
        NCNN_FP16,
        (GENERAL_KERNELS_DAY, "9999"),
        UNEVEN,
    ),
    Plan(
        "ncnn-cpu-fp16-before-2022-08",
        "fp16",
        ("none", "dotprod"),
        2.0,
        NCNN_FP16,
        (FIRST_DAY, GENERAL_KERNELS_DAY),
        UNEVEN,
    ),
    Plan("ncnn-cpu-int8-none", "int8", ("none",), 1.0, NCNN_INT8, INT8_DAYS),
    Plan(
        "ncnn-cpu-int8-dotprod", "int8", ("dotprod", "i8mm"), 1.0, NCNN_INT8_DOT_PRODUCT, INT8_DAYS
    ),
)


@dataclass(frozen=True)
class Rows:
    """Measurements of a plan, and the cores they ran on by device."""

    every: list[Measurement]
    places: Mapping[str, Place]

    @property
    def alone(self) -> list[Measurement]:
        """Those on one thread."""
        return [one for one in self.every if one.threads == 1]

    @property
    def many(self) -> set[str]:
        """Devices of tier measured."""
        names = [one.device for one in self.alone]
        return {name for name in names if names.count(name) >= MANY}


@dataclass(frozen=True)
class Evidence:
    """Estimates by tier, each by a fit that had not seen the network's family anywhere."""

    measured: list[Guess] = field(default_factory=list)
    few_measurements: list[Guess] = field(default_factory=list)
    data_sheet: list[Guess] = field(default_factory=list)

    def of(self, tier: Tier) -> list[Guess]:
        """Estimates of a tier; a device without measurements is known by its data sheet."""
        if tier == "measured":
            return self.measured
        return self.few_measurements if tier == "few-measurements" else self.data_sheet

    def interval(self, tier: Tier) -> IntervalFactors:
        """The interval of a tier."""
        return interval_of_devices(by_group(self.of(tier)))


TIERS: tuple[Tier, ...] = ("measured", "few-measurements", "pooled", "data-sheet")


def rows_of(published: Published, plan: Plan) -> Rows:
    """Rows that belong to a plan; the fastest where a day gives one twice."""
    lists = published.lists["ops_ncnn.json"]
    best: dict[tuple[str, str, int], Measurement] = {}
    places: dict[str, Place] = {}
    for row in published.rows:
        latency_s = float(row["latency_ms"]) / 1e3
        if (row["runtime"], row["unit"]) != ("ncnn", "cpu") or not latency_s > 0:
            continue
        found = re.search(r"powersave=(\d)", row["note"])
        place = place_of(row["soc"], row["device"], row["date"], found[1] if found else "0")
        network = row["model"].replace("-ssd", "_ssd").replace("-yolo", "_yolo")
        if row["precision"] == "int8":
            network = f"{network.removesuffix('-int8')}_int8"
        if (
            place is None
            or network not in lists
            or not plan.takes(row["precision"], place.core, row["date"])
        ):
            continue
        key = (place.device, network, int(row["threads"]))
        if key not in best or latency_s < best[key].latency_s:
            places[place.device] = place
            best[key] = Measurement(
                device=place.device,
                family=family(network),
                network=network,
                columns=lists[network],
                latency_s=latency_s,
                threads=key[2],
                weight=plan.doubted.get(network, 1.0),
            )
    return Rows(list(best.values()), places)


FAMILIES = (
    ("mobilenet-v1", ("mobilenet", "mobilenet_ssd", "mobilenet_yolo")),
    ("mobilenet-v2", ("mobilenet_v2", "mobilenetv2_yolov3")),
    ("squeezenet", ("squeezenet", "squeezenet_ssd")),
    ("shufflenet", ("shufflenet", "shufflenet_v2")),
    ("yolo-fastest", ("yolo-fastest-1.1", "yolo-fastestv2", "FastestDet")),
)
"""Networks that share a body; every other one is a family of its own."""


def family(network: str) -> str:
    """The family of a network.

    >>> family("squeezenet_ssd_int8"), family("googlenet")
    ('squeezenet', 'googlenet')
    """
    name = network.removesuffix("_int8")
    return next((whole for whole, members in FAMILIES if name in members), name)


def run(plan: Plan, published: Published, table: Table) -> Result:
    """Fits a plan, prints what leaving out says, and gives what is to be written."""
    rows = rows_of(published, plan)
    evidence = gathered(rows, plan)
    fitted = fit(
        rows.alone,
        plan.priors,
        bytes_per_element=plan.bytes_per_element,
        tolerance=TOLERANCE,
    )
    fitted = replace(fitted, shape=threaded(rows, fitted))
    by_core = core_efficiencies(fitted.scales, rows.places)
    reached = [value for _, value in parts_of_peak(fitted.scales, rows.places)]
    document = ShapeDocument(
        schema_version=1,
        name=plan.name,
        engine="ncnn",
        precision=plan.precision,
        isa_levels=plan.isa_levels,
        bytes_per_element=plan.bytes_per_element,
        shape=fitted.shape,
        efficiency=median(reached),
        core_efficiencies=by_core,
        spreads=plan.priors.spreads,
        largest_overhead_fraction=fitted.largest_overhead_fraction(rows.alone),
        intervals={tier: evidence.interval(tier) for tier in TIERS},
        errors={tier: error_of_devices(evidence.of(tier)) for tier in TIERS},
        measurements=len(rows.alone),
        devices=tuple(sorted(fitted.scales)),
        threads=(1,),
        families=tuple(sorted({one.family for one in rows.alone})),
        sources=(SOURCE,),
        fitted_on=FITTED_ON,
    )
    _print(plan, rows, evidence, fitted, table)
    return Result(document, tuple(_costs(plan, rows, document, fitted, evidence)))


def gathered(rows: Rows, plan: Plan) -> Evidence:
    """Estimates of each family by fits without it, for devices of each tier."""
    evidence = Evidence()
    for left_out in sorted({one.family for one in rows.alone}):
        known = [one for one in rows.alone if one.family != left_out]
        asked = [one for one in rows.alone if one.family == left_out and one.device in rows.many]
        if not asked or unseen_kinds(asked[0], known):
            continue
        fitted = fit(
            known,
            plan.priors,
            bytes_per_element=plan.bytes_per_element,
            tolerance=TOLERANCE,
        )
        for one in (one for one in asked if one.device in fitted.scales):
            base = baseline_s(known, one)
            own = [o for o in known if o.device == one.device]
            shown = [o for o in own if o.network.removesuffix("_int8") in FEW]
            typical = CostScale(macs_per_s=1.0)
            evidence.measured.append(
                Guess(one, _said(fitted, one, fitted.scales[one.device]), base)
            )
            if shown:
                scale = refined(shown, held_document(fitted.shape, plan), typical)
                evidence.few_measurements.append(Guess(one, _said(fitted, one, scale), base))
            sheet = from_data_sheet(one.device, fitted.scales, rows.places)
            if sheet is not None:
                evidence.data_sheet.append(Guess(one, _said(fitted, one, sheet), base))
    return evidence


def _said(fitted: Fitted, one: Measurement, scale: CostScale) -> float:
    held = replace(fitted, scales={one.device: scale})
    return held.latency_s(one.columns, one.device, threads=one.threads)


def unseen_kinds(asked: Measurement, known: Sequence[Measurement]) -> bool:
    """Whether a network has multiply-accumulates of a kind that no other network has.

    Nothing can be said of such a kind, and the estimate is of no tier.
    """
    counted = (KINDS.index(Kind.ATTENTION), KINDS.index(Kind.GROUPED))
    seen = {int(kind) for one in known for kind in one.columns.kinds}
    return any(kind in counted and kind not in seen for kind in asked.columns.kinds)


def held_document(shape: CostShape, plan: Plan) -> ShapeDocument:
    """A document that holds a shape for `refined`, its evidence left open."""
    everything = IntervalFactors(low=0.5, high=2.0)
    return ShapeDocument(
        schema_version=1,
        name=plan.name,
        engine="ncnn",
        precision=plan.precision,
        isa_levels=plan.isa_levels,
        bytes_per_element=plan.bytes_per_element,
        shape=shape,
        efficiency=1.0,
        spreads=plan.priors.spreads,
        intervals={"pooled": everything},
        measurements=1,
        devices=("held",),
        families=("held",),
        sources=(SOURCE,),
        fitted_on=FITTED_ON,
    )


def parts_of_peak(
    scales: Mapping[str, CostScale], places: Mapping[str, Place]
) -> list[tuple[str, float]]:
    """Core and part of its fp32 peak of each device whose core is known."""
    found = []
    for device, scale in scales.items():
        peak = places[device].peak_macs_per_s
        if peak is not None:
            found.append((places[device].core, scale.macs_per_s / peak))
    return found


def core_efficiencies(
    scales: Mapping[str, CostScale], places: Mapping[str, Place]
) -> dict[str, float]:
    """Part of its fp32 peak that each kind of core reaches."""
    open_slopes = Slopes(PRIOR[0], np.diag(PRIOR[1] ** 2))
    return efficiencies(parts_of_peak(scales, places), open_slopes, CORES)


def from_data_sheet(
    device: str, scales: Mapping[str, CostScale], places: Mapping[str, Place]
) -> CostScale | None:
    """The scale of a device from the scales of others; None where its core is not known."""
    own = places[device]
    if own.peak_macs_per_s is None:
        return None
    title = device.split(" (")[0].split(",")[0]
    others = {name: scale for name, scale in scales.items() if not name.startswith(title)}
    part = core_efficiencies(others, places)[own.core]
    return CostScale(macs_per_s=own.peak_macs_per_s * part)


def threaded(rows: Rows, fitted: Fitted) -> CostShape:
    """The shape with the parts that threads do not shorten, from rows on several equal cores."""
    asked = several(rows, fitted)
    if not asked:
        return fitted.shape

    def shape_of(logits: np.ndarray) -> CostShape:
        work, traffic = 1.0 / (1.0 + np.exp(-logits))
        return fitted.shape.model_copy(
            update={"serial_work_fraction": float(work), "serial_traffic_fraction": float(traffic)}
        )

    def residuals(logits: np.ndarray) -> np.ndarray:
        moved = replace(fitted, shape=shape_of(logits))
        told = [moved.latency_s(o.columns, o.device, threads=o.threads) for o in asked]
        alone = [one.latency_s for one in asked]
        return np.log(np.array(told) / np.array(alone)) / 0.1

    found = least_squares(residuals, np.array([-3.0, -1.0]), loss="soft_l1", max_nfev=30)
    return shape_of(found.x)


def several(rows: Rows, fitted: Fitted) -> list[Measurement]:
    """Rows on no more threads than there are equal cores, of devices with many on one."""
    return [
        one
        for one in rows.every
        if 1 < one.threads <= rows.places[one.device].count and one.device in rows.many
    ]


def _print(plan: Plan, rows: Rows, evidence: Evidence, fitted: Fitted, table: Table) -> None:
    known = held_out(
        rows.alone,
        plan.priors,
        lambda one: str((hash_of(one.network) + hash_of(one.device)) % 4),
        asked=lambda one: one.device in rows.many,
        bytes_per_element=plan.bytes_per_element,
    )
    table.add(f"{plan.name}, network unseen on this device only", known)
    for tier, what in (
        ("measured", "family unseen anywhere"),
        ("few-measurements", "and three rows of the device seen"),
        ("data-sheet", "and device unseen"),
    ):
        interval = evidence.interval(tier)  # type: ignore[arg-type]
        guesses = evidence.of(tier)  # type: ignore[arg-type]
        table.add(f"{plan.name}, {what}", guesses, interval)
        for device in sorted({one.measurement.device for one in guesses}):
            own = [one for one in guesses if one.measurement.device == device]
            table.add(f"  {device}"[:62], own, interval)
        if tier == "measured":
            for name in sorted({one.measurement.network for one in guesses}):
                part = [one for one in guesses if one.measurement.network == name]
                table.add(f"    {name}", part, interval)
    by_threads: dict[int, list[Guess]] = {}
    for one in several(rows, fitted):
        said = fitted.latency_s(one.columns, one.device, threads=one.threads)
        by_threads.setdefault(one.threads, []).append(Guess(one, said, said))
    for threads, guesses in sorted(by_threads.items()):
        table.add(f"{plan.name}, {threads} threads from the device's rows on one", guesses)


def hash_of(name: str) -> int:
    """A number that is the same in every process."""
    return sum(name.encode())


def _costs(
    plan: Plan, rows: Rows, document: ShapeDocument, fitted: Fitted, evidence: Evidence
) -> list[ProfileCost]:
    costs: dict[str, tuple[tuple[bool, int], ProfileCost]] = {}
    for device, place in sorted(rows.places.items()):
        own = [one for one in rows.every if one.device == device]
        alone = [one for one in own if one.threads == 1] or own
        if place.profile is None:
            continue
        tier: Tier = "measured" if device in rows.many else "few-measurements"
        guesses = [one for one in evidence.measured if one.measurement.device == device]
        scale = fitted.scales.get(device) or refined(
            alone, document, CostScale(macs_per_s=document.efficiency)
        )
        cost = FittedCost(
            shape=plan.name,
            scale=scale,
            measurements=len(alone),
            families=len({one.family for one in alone}),
            threads=tuple(sorted({one.threads for one in alone})),
            sources=(f"{SOURCE}: {device}",),
            fitted_on=FITTED_ON,
            error=error_of(guesses) if tier == "measured" else None,
            interval=document.intervals[tier],
            tier=tier,
        )
        written = ProfileCost(place.profile, ("converted_runtimes", "ncnn"), plan.precision, cost)
        # of several choices of cores, the one with rows on one thread, then with the most rows
        rank = (cost.threads == (1,), len(alone))
        if place.profile not in costs or rank > costs[place.profile][0]:
            costs[place.profile] = (rank, written)
    return [written for _, written in costs.values()]
