"""ONNX Runtime CPU in fp32: Raspberry Pi 4 and 5 on YOLO networks, Jetson Nano on classifiers.

The three devices share one shape. What the fit is worth is found by leaving out: a family of
networks on a measured device; all but a few measurements of a device; a whole device, whose speed
then follows from its data sheet and the kind of its core (`cores.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from boards import one_thread_rows
from built import BUILT, read_built
from cores import CORES, efficiencies, slopes
from folds import Guess, balanced, baseline_s, by_group, few_rows, held_out
from priors import ONNX_RUNTIME_FP32
from result import FITTED_ON, ProfileCost, Result
from table import error_of, error_of_devices

from edgedistill.core.cost_shape import CostScale
from edgedistill.core.fitted import FittedCost, IntervalFactors, Tier
from edgedistill.core.shape_document import ShapeDocument
from edgedistill.cost.accuracy import interval_of_device, interval_of_devices
from edgedistill.cost.fitting import Fitted, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cores import Slopes
    from rows import Published
    from table import Table

    from edgedistill.cost.fitting import Measurement

NAME = "onnxruntime-cpu-fp32"
BYTES = 4.0
YOLOBENCH = (
    "Deeplite YOLOBench, ONNX Runtime CPU latencies (2023-08 to 2024-01), Apache-2.0; version of "
    "the runtime not stated"
)
CLASSIFICATION = (
    "Deeplite classification benchmark, ONNX Runtime CPU latencies of timm networks (2023-08), "
    "Apache-2.0; version of the runtime not stated"
)
FEW = 5
"""A device with no more measurements than these is of tier few-measurements."""
FEW_FAMILIES = 5
"""With fewer families of its own a device takes the interval of the tier."""


@dataclass(frozen=True)
class Board:
    """A measured device: its profile's name, its core and clock, and where it was measured."""

    profile: str
    core: str
    clock_ghz: float
    source: str

    @property
    def peak_macs_per_s(self) -> float:
        """Of one core in fp32."""
        return self.clock_ghz * 1e9 * CORES[self.core].fp32_flop_per_cycle / 2


BOARDS = {
    "Raspberry Pi 4": Board("raspberry-pi-4", "Cortex-A72", 1.8, YOLOBENCH),
    "Raspberry Pi 5": Board("raspberry-pi-5", "Cortex-A76", 2.4, YOLOBENCH),
    "Jetson Nano": Board("jetson-nano", "Cortex-A57", 1.43, CLASSIFICATION),
}


@dataclass(frozen=True)
class Evidence:
    """Estimates by tier, each by a fit that had not seen what it estimates."""

    measured: list[Guess]
    few_measurements: list[Guess]
    data_sheet: list[Guess]

    def of(self, tier: Tier) -> list[Guess]:
        """Estimates of a tier; a device without measurements is known by its data sheet."""
        if tier == "measured":
            return self.measured
        return self.few_measurements if tier == "few-measurements" else self.data_sheet

    def interval(self, tier: Tier) -> IntervalFactors:
        """The interval of a tier."""
        group = device_and_family if tier == "measured" else device_of
        return interval_of_devices(by_group(self.of(tier), group))


TIERS: tuple[Tier, ...] = ("measured", "few-measurements", "pooled", "data-sheet")


def device_of(one: Measurement) -> str:
    """The device of a measurement."""
    return one.device


def device_and_family(one: Measurement) -> str:
    """Device and family of a measurement."""
    return f"{one.device}, {one.family}"


def run(published: Published, table: Table) -> Result:
    """Fits all devices together, prints what leaving out says, and gives what is to be written."""
    rows = published.onnx_runtime_fp32(read_built(BUILT))
    known = slopes(one_thread_rows(published.rows))
    evidence = _evidence(rows, known)
    _print(evidence, table)
    fitted = fit(balanced(rows), ONNX_RUNTIME_FP32, bytes_per_element=BYTES)
    by_core = efficiencies(reached(fitted), known)
    document = ShapeDocument(
        schema_version=1,
        name=NAME,
        engine="onnxruntime-cpu",
        precision="fp32",
        isa_levels=("none", "dotprod", "i8mm"),
        bytes_per_element=BYTES,
        shape=fitted.shape,
        efficiency=median(value for _, value in reached(fitted)),
        core_efficiencies=by_core,
        spreads=ONNX_RUNTIME_FP32.spreads,
        largest_overhead_fraction=fitted.largest_overhead_fraction(rows),
        intervals={tier: evidence.interval(tier) for tier in TIERS},
        errors={tier: error_of_devices(evidence.of(tier)) for tier in TIERS},
        measurements=len(rows),
        devices=tuple(sorted(fitted.scales)),
        threads=tuple(sorted({one.threads for one in rows})),
        families=tuple(sorted({one.family for one in rows})),
        sources=(YOLOBENCH, CLASSIFICATION, published.ncnn_source),
        fitted_on=FITTED_ON,
    )
    costs = tuple(_cost(device, rows, fitted, evidence) for device in BOARDS)
    return Result(document, costs)


def reached(fitted: Fitted) -> list[tuple[str, float]]:
    """Core and part of its peak of each device in a fit."""
    return [
        (BOARDS[device].core, scale.macs_per_s / BOARDS[device].peak_macs_per_s)
        for device, scale in fitted.scales.items()
    ]


def _evidence(rows: list[Measurement], known: Slopes) -> Evidence:
    many = {name for name in BOARDS if sum(one.device == name for one in rows) > FEW}
    return Evidence(
        measured=held_out(
            rows, ONNX_RUNTIME_FP32, device_and_family, asked=lambda one: one.device in many
        ),
        few_measurements=[
            *held_out(
                rows,
                ONNX_RUNTIME_FP32,
                lambda one: f"{one.device} {one.network}",
                asked=lambda one: one.device not in many,
            ),
            *(
                guess
                for device in sorted(many)
                for guess in few_rows(rows, ONNX_RUNTIME_FP32, device, count=FEW)
            ),
        ],
        data_sheet=[guess for device in BOARDS for guess in by_data_sheet(rows, device, known)],
    )


def by_data_sheet(rows: Sequence[Measurement], device: str, known: Slopes) -> list[Guess]:
    """Estimates for a device none of whose measurements were seen."""
    others = [one for one in rows if one.device != device]
    fitted = fit(balanced(others), ONNX_RUNTIME_FP32, bytes_per_element=BYTES)
    board = BOARDS[device]
    part = efficiencies(reached(fitted), known)[board.core]
    scale = CostScale(macs_per_s=board.peak_macs_per_s * part)
    moved = Fitted(shape=fitted.shape, scales={device: scale}, bytes_per_element=BYTES)
    peaks = {name: one.peak_macs_per_s for name, one in BOARDS.items()}
    guesses = []
    for one in (one for one in rows if one.device == device):
        constants = [
            baseline_s([o for o in others if o.device == name], one) * peaks[name] / peaks[device]
            for name in sorted({o.device for o in others})
        ]
        estimate = moved.latency_s(one.columns, device, threads=one.threads)
        guesses.append(Guess(one, estimate, median(constants)))
    return guesses


def _print(evidence: Evidence, table: Table) -> None:
    for tier, what in (
        ("measured", "family unseen"),
        ("few-measurements", "few rows of the device seen"),
        ("data-sheet", "device unseen"),
    ):
        interval = evidence.interval(tier)
        guesses = evidence.of(tier)
        table.add(f"{NAME}, {what}", guesses, interval)
        for device in sorted({one.measurement.device for one in guesses}):
            own = [one for one in guesses if one.measurement.device == device]
            table.add(f"  {device}", own, interval)
            if tier == "measured":
                for family in sorted({one.measurement.family for one in own}):
                    part = [one for one in own if one.measurement.family == family]
                    table.add(f"    {family}", part, interval)


def _cost(
    device: str, rows: Sequence[Measurement], fitted: Fitted, evidence: Evidence
) -> ProfileCost:
    own = [one for one in rows if one.device == device]
    families = len({one.family for one in own})
    tier: Tier = "measured" if len(own) > FEW else "few-measurements"
    guesses = [one for one in evidence.of(tier) if one.measurement.device == device]
    interval = evidence.interval(tier)
    if tier == "measured" and families >= FEW_FAMILIES:
        of_families = interval_of_devices(by_group(guesses, device_and_family))
        of_networks = interval_of_device(by_group(guesses)[device])
        interval = max(of_families, of_networks, key=lambda one: one.high)
    board = BOARDS[device]
    cost = FittedCost(
        shape=NAME,
        scale=fitted.scales[device],
        measurements=len(own),
        families=families,
        threads=tuple(sorted({one.threads for one in own})),
        sources=(board.source,),
        fitted_on=FITTED_ON,
        error=error_of(guesses),
        interval=interval,
        tier=tier,
    )
    return ProfileCost(board.profile, ("runtimes", "cpu"), "fp32", cost)
