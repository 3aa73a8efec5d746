"""What was measured where the device is takes the place of estimates before a gate judges.

Pure functions of documents, quick to start: no torch, onnx or numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

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


class Subject(NamedTuple):
    """A model under test."""

    target: str
    model_sha256: str


@dataclass(frozen=True)
class Matched:
    """Which device report speaks of which model."""

    found: tuple[DeviceReport | None, ...]
    """For each model in its order; None where no device report speaks of it."""
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


def match(subjects: Sequence[Subject], given: Sequence[GivenDeviceReport]) -> Matched:
    """Finds for each model under test what its device says.

    A device report of another model or target is never ignored: it becomes a doubt.

    Args:
        subjects: The models under test.
        given: What devices say, as `read_device_reports` gives it.
    """
    about = {(one.report.target, one.report.model_sha256): one.report for one in given}
    doubts = [
        f"{one.file}: {_why_unused(subjects, one.report)}"
        for one in given
        if (one.report.target, one.report.model_sha256) not in subjects
    ]
    return Matched(tuple(about.get(subject) for subject in subjects), tuple(doubts))


def _why_unused(subjects: Sequence[Subject], device_report: DeviceReport) -> str:
    same_target = [one for one in subjects if one.target == device_report.target]
    if same_target:
        return (
            f"the device report is of another model (sha256 {device_report.model_sha256[:12]}) "
            f"than the one that ships to {device_report.target} "
            f"({same_target[0].model_sha256[:12]}). Measure the model that is under test"
        )
    targets = ", ".join(sorted({one.target for one in subjects})) or "none"
    return (
        f"the device report is of target {device_report.target}, and the models under test are of "
        f"{targets}. Measure on their device, or judge the run of that target"
    )


def subject_of(report: Report) -> Subject:
    """The model that a report is about."""
    return Subject(report.target, str(report.shipped().model_sha256))


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
    subject = subject_of(report)
    if (device_report.target, device_report.model_sha256) != subject:
        reason = _why_unused([subject], device_report)
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
