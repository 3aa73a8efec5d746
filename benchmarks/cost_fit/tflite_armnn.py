"""TensorFlow Lite and ArmNN on processors, fp32 and int8, from MLPerf's results.

Boards differ so much in processors, caches and threads that a shape is fitted to one board each:
the Raspberry Pi 4 stands for ARMv8.0, the Jetson AGX Orin for the dot product. The MACs of a narrow
network and its time go apart most where the one shape would have to serve both. Left out is int8 on
the Orin: its rows are of twelve threads or an unknown number, and nothing tells what one needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narrowing
import numpy as np
from cores import CORES
from folds import Guess, balanced, baseline_s, by_group, few_rows
from mlperf import board_of, measurements
from priors import TFLITE, TFLITE_RUY
from result import FITTED_ON, ProfileCost, Result
from table import error_of

from edgedistill.core.fitted import FittedCost, IntervalFactors, Tier
from edgedistill.core.shape_document import ShapeDocument
from edgedistill.cost.accuracy import interval_of_device, interval_of_devices
from edgedistill.cost.fitting import fit

if TYPE_CHECKING:
    from folds import Floats
    from rows import Published
    from table import Table

    from edgedistill.core.hardware import IsaLevel
    from edgedistill.core.profile import Precision
    from edgedistill.cost.fitting import Measurement, Priors


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One runtime and precision on one board.

    Attributes:
        name: The shape's name.
        engine: The runtime's name among shapes and in the profile.
        precision: fp32 or int8.
        runtime: A pattern of the runtime as the table names it.
        board: Whose rows the shape is fitted to.
        newest: The version whose scale goes into the profile.
        profile: The board's profile.
        core: The board's fastest core, with its clock in GHz.
        isa_levels: Processors that the shape holds for.
        threads: How many worked, where that is known; all processors else.
        source: The publication.
        divisions: Of MLPerf, whose rows are read.
        priors: Of the fit; ruy's kernels are not those of ArmNN and of the default build.
    """

    name: str
    engine: str
    precision: Precision
    runtime: str
    board: str
    newest: str
    profile: str
    core: tuple[str, float]
    isa_levels: tuple[IsaLevel, ...]
    source: str
    threads: int | None = None
    priors: Priors = TFLITE
    divisions: tuple[str, ...] = ("open", "closed")

    @property
    def bytes_per_element(self) -> float:
        """Bytes of a number."""
        return 1.0 if self.precision == "int8" else 4.0

    @property
    def device(self) -> str:
        """Board and version of the scale that goes into the profile."""
        return f"{self.board}, {self.newest}"


_PI_RUY = (
    "MLPerf Inference v1.0 to v2.1, Krai, Raspberry Pi 4: TensorFlow Lite 2.4.1, "
    "2.5.0 and 2.7.1 with ruy (Apache-2.0); threads not stated"
)
_PI_ARMNN = (
    "MLPerf Inference v1.0, v2.0, v2.1 and v3.0, Krai, Raspberry Pi 4: ArmNN 21.02, "
    "21.11, 22.05 and 22.11 with Neon (Apache-2.0); threads not stated"
)


def _pi(engine: str, precision: Precision) -> Subject:
    tflite = engine == "tflite"
    return Subject(
        name=f"{engine}-cpu-{precision}",
        engine=engine,
        precision=precision,
        runtime=r"tflite-v2.*-ruy" if tflite else r"armnn-v2.*-neon",
        board="Raspberry Pi 4",
        newest="2.7.1" if tflite else "22.11",
        profile="raspberry-pi-4",
        core=("Cortex-A72", 1.8),
        isa_levels=("none",),
        source=_PI_RUY if tflite else _PI_ARMNN,
        priors=TFLITE_RUY if tflite else TFLITE,
    )


SUBJECTS = (
    _pi("tflite", "fp32"),
    _pi("tflite", "int8"),
    _pi("armnn", "fp32"),
    _pi("armnn", "int8"),
    Subject(
        name="tflite-cpu-fp32-dotprod",
        engine="tflite",
        precision="fp32",
        runtime=r"tflite_cpp-cpu-tflite-vmaster",
        board="Jetson AGX Orin",
        newest="master",
        profile="jetson-agx-orin",
        core=("Cortex-A78AE", 2.2),
        isa_levels=("dotprod", "i8mm"),
        source=(
            "MLPerf Inference v3.0, cTuning, Jetson AGX Orin: TensorFlow Lite "
            "(development version of early 2023) in its default build (Apache-2.0); threads not "
            "stated, one by the speed reached"
        ),
        threads=1,
    ),
)


def run(subject: Subject, published: Published, table: Table) -> Result:
    """Fits one runtime and precision on one board, and prints what leaving out says."""
    every = measurements(
        published,
        subject.runtime,
        subject.precision,
        threads=subject.threads,
        divisions=subject.divisions,
    )
    rows = [one for one in every if board_of(one) == subject.board]
    size = subject.bytes_per_element
    unseen = _unseen(subject, rows)
    intervals: dict[Tier, IntervalFactors] = {"measured": interval_of_device(_logs(unseen))}
    few = _few(subject, every)
    if few:
        intervals["few-measurements"] = interval_of_devices(by_group(few, board_of))
    _print(subject, unseen, few, intervals, table)
    narrowing.tabulate(subject.name, rows, every, subject.priors, size, table)
    fitted = fit(balanced(rows), subject.priors, bytes_per_element=size)
    core, clock_ghz = subject.core
    peak = clock_ghz * 1e9 * CORES[core].fp32_flop_per_cycle / 2
    part = fitted.scales[subject.device].macs_per_s / peak
    families = tuple(sorted({one.family for one in rows}))
    errors = {"measured": error_of(unseen)}
    if few:
        errors["few-measurements"] = error_of(few)
    document = ShapeDocument(
        schema_version=1,
        name=subject.name,
        engine=subject.engine,
        precision=subject.precision,
        isa_levels=subject.isa_levels,
        bytes_per_element=size,
        shape=fitted.shape,
        efficiency=part,
        core_efficiencies={core: part},
        spreads=subject.priors.spreads,
        largest_overhead_fraction=fitted.largest_overhead_fraction(rows),
        intervals=intervals,
        errors=errors,
        measurements=len(rows),
        devices=(subject.board,),
        threads=tuple(sorted({one.threads for one in rows})),
        families=families,
        sources=(subject.source,),
        fitted_on=FITTED_ON,
    )
    own = [one for one in rows if one.device == subject.device]
    cost = FittedCost(
        shape=subject.name,
        scale=fitted.scales[subject.device],
        measurements=len(own),
        families=len({one.family for one in own}),
        threads=document.threads,
        sources=(subject.source,),
        fitted_on=FITTED_ON,
        error=error_of([one for one in unseen if one.measurement.device == subject.device]),
        interval=intervals["measured"],
        tier="measured",
    )
    runtime = ("converted_runtimes", subject.engine)
    return Result(document, (ProfileCost(subject.profile, runtime, subject.precision, cost),))


def _unseen(subject: Subject, rows: list[Measurement]) -> list[Guess]:
    """Each family by a fit of the others, all versions by the scale of the newest.

    So the interval holds what versions of the runtime differ by: a user's is rarely one of these.
    """
    guesses = []
    for name in sorted({one.family for one in rows}):
        known = [one for one in rows if one.family != name]
        fitted = fit(balanced(known), subject.priors, bytes_per_element=subject.bytes_per_element)
        guesses += [
            Guess(
                one,
                fitted.latency_s(one.columns, subject.device, threads=one.threads),
                baseline_s(known, one),
            )
            for one in rows
            if one.family == name
        ]
    return guesses


def _logs(guesses: list[Guess]) -> Floats:
    return np.array([one.log_ratio for one in guesses])


def _few(subject: Subject, every: list[Measurement]) -> list[Guess]:
    """Each board from five of its rows and the rows of other boards, newest versions only."""
    newest = {board_of(one): one.device for one in sorted(every, key=lambda one: one.device)}
    newest[subject.board] = subject.device
    rows = [one for one in every if one.device in newest.values()]
    if len(newest) < 2:
        return []
    return [
        guess
        for device in sorted(newest.values())
        for guess in few_rows(
            rows, subject.priors, device, draws=2, bytes_per_element=subject.bytes_per_element
        )
    ]


def _print(
    subject: Subject,
    unseen: list[Guess],
    few: list[Guess],
    intervals: dict[Tier, IntervalFactors],
    table: Table,
) -> None:
    table.add(f"{subject.name}, family unseen", unseen, intervals["measured"])
    for name in sorted({one.measurement.family for one in unseen}):
        part = [one for one in unseen if one.measurement.family == name]
        table.add(f"    {name}", part, intervals["measured"])
    for board in sorted({board_of(one.measurement) for one in few}):
        part = [one for one in few if board_of(one.measurement) == board]
        table.add(f"  {board}, five rows seen", part, intervals["few-measurements"])
