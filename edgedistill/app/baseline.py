"""Baselines: small files that a repository commits and later models are held against.

Writing one shows what changes and asks nothing: the file is under version control, where a change
is reviewed and undone. The bytes follow from the report alone.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.app.device_reports import (
    match,
    read_device_reports,
    subject_of,
    with_device_report,
)
from edgedistill.app.outcome import COMPLETE, REPORT_FILE, STATE_FILE, TARGETS_FOLDER, read_state
from edgedistill.core.baseline import Baseline, BaselineChange, FigureChange
from edgedistill.core.profile import NAME_PATTERN
from edgedistill.errors import Fault, InputError
from edgedistill.gate.limits import LIMITS
from edgedistill.render.document import read_baseline, read_report, report_text
from edgedistill.store import file_sha256, write_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.report import Report

_SUFFIX = ".json"


@dataclass(frozen=True)
class _Source:
    """A report, and the ONNX file that ships by it."""

    report: Report
    model: Path


def update_baselines(
    *paths: str | Path,
    out: str | Path,
    with_model: bool | None = None,
    device_reports: Sequence[str | Path] = (),
    check: bool = False,
) -> tuple[BaselineChange, ...]:
    """Writes the figures of finished runs as baselines, and tells what changes by it.

    Args:
        paths: Run folders or report files; each target once.
        out: A file that ends in .json for one target, else a folder, in which each target has
            TARGET.json.
        with_model: Whether the ONNX file is kept beside the baseline, which a relative limit on
            latency needs; None for what the baseline that is there does, a new one without.
        device_reports: What was measured where the devices are; its figures take the place of the
            runs' own.
        check: Whether to tell only, and write nothing.

    Returns:
        One for each target, in the order given.

    Raises:
        InputError: If a run is not finished, a model is not the one its report is about, a file
            cannot be read, or something else than a baseline stands where one is to be written.
            Nothing is written then.
    """
    sources = _sources(paths)
    sources = _with_device_reports(sources, device_reports)
    files = _files([one.report.target for one in sources], Path(out))
    planned = [
        (_planned(source.report, file, with_model), source, file)
        for source, file in zip(sources, files, strict=True)
    ]
    if not check:
        for change, source, file in planned:
            _write(change, source, file)
    return tuple(change for change, _, _ in planned)


def baseline_of(report: Report, model: str | None) -> Baseline:
    """What later models are held against, by a report.

    Args:
        report: The facts of one target.
        model: The name of the ONNX file beside the baseline; None where it is kept elsewhere.
    """
    shipped = report.shipped()
    figures = {limit.budget: limit.figure(shipped) for limit in LIMITS}
    return Baseline(
        schema_version=1,
        kind="edgedistill-baseline",
        target=report.target,
        run=report.run,
        model_sha256=str(shipped.model_sha256),
        model=model,
        figures={name: figure for name, figure in figures.items() if figure is not None},
        conditions=report.conditions,
        data_sha256=report.provenance.data_sha256,
        edgedistill_version=report.provenance.versions.get("edgedistill", "unknown"),
    )


def baseline_model_file(file: str | Path, baseline: Baseline) -> Path | None:
    """Where the ONNX file of a baseline is; None where it is not kept beside it."""
    return None if baseline.model is None else Path(file).parent / baseline.model


def _sources(paths: Sequence[str | Path]) -> list[_Source]:
    sources, faults = [], []
    for file in (file for path in paths for file in report_files(Path(path))):
        report = read_report(file)
        model = file.parent / report.choice.model
        if not model.is_file() or file_sha256(model) != report.shipped().model_sha256:
            faults.append(
                Fault(
                    file=model,
                    problem=f"is not the model that {file} is about",
                    remedy="Run compress again, or put the model and its report side by side",
                )
            )
        sources.append(_Source(report, model))
    if faults:
        raise InputError(*faults)
    return sources


def _with_device_reports(
    sources: list[_Source], device_reports: Sequence[str | Path]
) -> list[_Source]:
    subjects = [subject_of(source.report) for source in sources]
    matched = match(subjects, read_device_reports(device_reports))
    if matched.doubts:
        faults = [Fault(problem=doubt, remedy="Or leave it out") for doubt in matched.doubts]
        raise InputError(*faults)
    return [
        source if found is None else _Source(with_device_report(source.report, found), source.model)
        for source, found in zip(sources, matched.found, strict=True)
    ]


def report_files(path: Path) -> list[Path]:
    """The reports of a finished run, or the report that is given.

    Raises:
        InputError: If it is neither, or the run is not finished.
    """
    if path.is_file():
        return [path]
    if not (path / STATE_FILE).is_file():
        fault = Fault(
            file=path,
            problem="is neither a run folder nor a report",
            remedy="Give the folder that compress wrote with --out, or its report.json",
        )
        raise InputError(fault)
    state = read_state(path / STATE_FILE)
    if state.get("state") != COMPLETE:
        remedy = "Finish it: run the same command, or the same Python call, again"
        raise InputError(Fault(file=path, problem="the run is not complete", remedy=remedy))
    return [path / TARGETS_FOLDER / str(target) / REPORT_FILE for target in state["targets"]]


def _files(targets: Sequence[str], out: Path) -> list[Path]:
    twice = [target for target, count in Counter(targets).items() if count > 1]
    if twice:
        fault = Fault(
            given=", ".join(twice),
            problem="a target has one baseline, and these have several reports",
            remedy="Give one of them",
        )
        raise InputError(fault)
    strange = [target for target in targets if not re.fullmatch(NAME_PATTERN, target)]
    if strange:  # it becomes a file's name
        fault = Fault(
            field="target",
            given=strange[0],
            problem="is not the name of a target",
            remedy="Give a report that compress wrote",
        )
        raise InputError(fault)
    if out.suffix != _SUFFIX:
        return [out / f"{target}{_SUFFIX}" for target in targets]
    if len(targets) > 1:
        fault = Fault(
            file=out,
            given=", ".join(targets),
            problem="is one file, and there are several targets",
            remedy="Give a folder: it gets a file for each target",
        )
        raise InputError(fault)
    return [out]


def _planned(report: Report, file: Path, with_model: bool | None) -> BaselineChange:
    old = read_baseline(file) if file.exists() else None
    if old is not None and old.target != report.target:
        fault = Fault(
            file=file,
            field="target",
            given=old.target,
            problem=f"is the baseline of another target than {report.target}",
            remedy="Give another file",
        )
        raise InputError(fault)
    keeps = (old is not None and old.model is not None) if with_model is None else with_model
    new = baseline_of(report, f"{file.stem}.onnx" if keeps else None)
    return BaselineChange(
        file=str(file),
        old=old,
        new=new,
        figures=_figure_changes(old, new),
        model_differs=_model_differs(file, old, new),
    )


def _figure_changes(old: Baseline | None, new: Baseline) -> tuple[FigureChange, ...]:
    before = {} if old is None else old.figures
    return tuple(
        FigureChange(
            budget=limit.budget,
            title=limit.title,
            unit=limit.unit,
            less_is_better=limit.side == "at most",
            old=before.get(limit.budget),
            new=new.figures.get(limit.budget),
        )
        for limit in LIMITS
        if limit.budget in before or limit.budget in new.figures
    )


def _model_differs(file: Path, old: Baseline | None, new: Baseline) -> bool:
    """Whether the ONNX file beside a baseline has to be written or is no longer named.

    Raises:
        InputError: If a file of that name is there that is not the old baseline's model.
    """
    if new.model is None:
        return old is not None and old.model is not None
    beside = file.parent / new.model
    if not beside.exists():
        return True
    ours = {new.model_sha256} | ({old.model_sha256} if old is not None else set())
    found = file_sha256(beside) if beside.is_file() else None
    if found not in ours:
        fault = Fault(
            file=beside,
            problem="is there already and is not the baseline's model",
            remedy="Move it away, or give another place with --out",
        )
        raise InputError(fault)
    return found != new.model_sha256


def _write(change: BaselineChange, source: _Source, file: Path) -> None:
    """Writes the model first: the baseline that names it stands only beside it."""
    if change.new.model is not None and change.model_differs:
        write_file(file.parent / change.new.model, source.model.read_bytes())
    if change.old != change.new:
        write_file(file, report_text(change.new).encode())
