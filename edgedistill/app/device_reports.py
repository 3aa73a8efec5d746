"""What was measured where the device is takes the place of estimates before a gate judges.

Pure functions of documents, quick to start: no torch, onnx or numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edgedistill.core.strict import Strict
from edgedistill.errors import Fault, InputError
from edgedistill.render.document import read_device_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgedistill.core.device_report import DeviceReport
    from edgedistill.core.report import Candidate, Report, Row

_Document = TypeVar("_Document", bound=Strict)


@dataclass(frozen=True)
class GivenDeviceReport:
    """A device report and where it was read."""

    file: Path
    report: DeviceReport


@dataclass(frozen=True)
class Placed:
    """Reports with what devices say in them."""

    reports: tuple[Report, ...]
    """In the order given; those that no device report speaks of are as they were."""
    doubts: tuple[str, ...]
    """Why a device report could not be used: each leaves something UNJUDGED."""


def read_device_reports(files: Iterable[str | Path]) -> tuple[GivenDeviceReport, ...]:
    """Reads what devices say.

    Raises:
        InputError: If a file cannot be read, or two of them speak of the same model on the same
            target: which of them counts is not for a tool to choose.
    """
    given = tuple(GivenDeviceReport(Path(file), read_device_report(Path(file))) for file in files)
    first: dict[tuple[str, str], Path] = {}
    faults = []
    for one in given:
        about = (one.report.target, one.report.model_sha256)
        if about in first:
            faults.append(
                Fault(
                    file=one.file,
                    problem=f"speaks of the same model on the same target as {first[about]}",
                    remedy="Give one of the two",
                )
            )
        first.setdefault(about, one.file)
    if faults:
        raise InputError(*faults)
    return given


def place(reports: Sequence[Report], given: Sequence[GivenDeviceReport]) -> Placed:
    """Lays each device report into the report of its model and target.

    A device report of another model or target is never ignored: it becomes a doubt.

    Args:
        reports: The reports under test.
        given: What devices say.
    """
    placed = list(reports)
    doubts = []
    for one in given:
        fitting = [at for at, report in enumerate(placed) if misfit(report, one.report) is None]
        for at in fitting:
            placed[at] = with_device_report(placed[at], one.report)
        if not fitting:
            doubts.append(f"{one.file}: {_why_unused(reports, one.report)}")
    return Placed(tuple(placed), tuple(doubts))


def misfit(report: Report, device_report: DeviceReport) -> str | None:
    """Why a device report does not speak of the model under test, or None where it does."""
    if device_report.target != report.target:
        return (
            f"the device report is of target {device_report.target}, not of {report.target}. "
            f"Measure on {report.target}"
        )
    wanted = report.shipped().model_sha256
    if device_report.model_sha256 != wanted:
        return (
            f"the device report is of another model (sha256 {device_report.model_sha256[:12]}) "
            f"than the one that ships to {report.target} ({str(wanted)[:12]}). "
            f"Measure the model that is under test"
        )
    return None


def with_device_report(report: Report, device_report: DeviceReport) -> Report:
    """The report with the device's figures of the model that ships, and their conditions.

    A figure that the device report holds takes the place of the run's own, whatever that was; the
    latency as a whole, so that no percentile of one measurement stands beside a median of another.
    What it does not hold stays. Rows of other models are left as they are: this is what a gate
    judges, and a gate judges the model that ships.

    Args:
        report: The facts of one target.
        device_report: What the target's device says of the model that ships.

    Raises:
        InputError: If the device report is of another model or target.
    """
    reason = misfit(report, device_report)
    if reason is not None:
        raise InputError(Fault(problem=reason, remedy="Or judge without this device report"))
    shipped = report.shipped()
    row = _with_figures(shipped, device_report)
    changes: dict[str, Any] = {
        "rows": _replaced(report.rows, shipped, row),
        "candidates": _of_candidates(report.candidates, row),
        "students": tuple(
            _changed(
                student,
                rows=_replaced(student.rows, shipped, row),
                candidates=_of_candidates(student.candidates, row),
            )
            if student.name == report.choice.student
            else student
            for student in report.students
        ),
        "notes": (*report.notes, "Figures of the model that ships are those of a device report."),
    }
    if device_report.latency is not None:
        changes["conditions"] = device_report.conditions
    return _changed(report, **changes)


def _with_figures(row: Row, device_report: DeviceReport) -> Row:
    names = ("latency", "peak_memory_mb", "energy_mj", "instructions")
    held = {name: getattr(device_report, name) for name in names}
    return _changed(row, **{name: figure for name, figure in held.items() if figure is not None})


def _replaced(rows: tuple[Row, ...], old: Row, new: Row) -> tuple[Row, ...]:
    return tuple(new if row.step == old.step else row for row in rows)


def _of_candidates(candidates: tuple[Candidate, ...], row: Row) -> tuple[Candidate, ...]:
    return tuple(_changed(one, row=row) if one.ships else one for one in candidates)


def _changed(model: _Document, **changes: Any) -> _Document:
    """A copy with other fields, checked as when it was read: `model_copy` would not check."""
    return type(model)(**(dict(model) | changes))


def _why_unused(reports: Sequence[Report], device_report: DeviceReport) -> str:
    same_target = [report for report in reports if report.target == device_report.target]
    if same_target:
        return str(misfit(same_target[0], device_report))
    targets = ", ".join(sorted({report.target for report in reports})) or "none"
    return (
        f"the device report is of target {device_report.target}, and the reports under test are of "
        f"{targets}. Measure on their device, or judge the run of that target"
    )
