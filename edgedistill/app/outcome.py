"""What a run leaves behind, and the gate over it. Imports no torch, onnx or numpy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgedistill.app.budgets import read_budgets, under_budgets
from edgedistill.app.gate_inputs import GateInputs, with_inputs
from edgedistill.core.figures import figures_of
from edgedistill.core.figures_file import read_figures
from edgedistill.core.verdict import CONFIDENCE, Outcome, worst
from edgedistill.errors import Fault, InputError
from edgedistill.gate.case import Case
from edgedistill.gate.judge import judge_all
from edgedistill.store import file_sha256, text_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.app.resolve import Resolved
    from edgedistill.core.figures import Figures
    from edgedistill.core.report import Report, Row
    from edgedistill.core.stage import Progress
    from edgedistill.core.verdict import Verdict

STATE_FILE = "run.json"
LOCK_FILE = "recipe.lock.yaml"
TARGETS_FOLDER = "targets"
WATERFALL_FOLDER = "waterfall"
REPORT_FILE = "report.json"
RUNNING = "running"
COMPLETE = "complete"


@dataclass(frozen=True)
class CompressionRun:
    """A finished run of `compress`."""

    folder: Path
    reports: Mapping[str, Report]
    """Target to report."""
    steps_made: int
    """How many steps this call ran; 0 where all was stored already."""
    steps_reused: int
    rank: int = 0
    """Of this process among those that made the run together; the first one speaks for all."""

    @property
    def candidates(self) -> dict[str, tuple[Row, ...]]:
        """Target to the networks of its waterfall, the teacher first."""
        return {target: report.rows for target, report in self.reports.items()}

    def model(self, target: str) -> Path:
        """The ONNX file that ships to a target."""
        return self.folder / TARGETS_FOLDER / target / self.reports[target].choice.model

    def gate(self) -> GateResult:
        """Holds every target's report against its budget."""
        return GateResult(tuple(verdicts_of(self.reports).values()))


def verdicts_of(reports: Mapping[str, Report]) -> dict[str, Verdict]:
    """Target to its verdict against the report's own budget, all judged as one gate."""
    figures = [figures_of(report) for report in reports.values()]
    verdicts = judge_all([Case(figures=one, bounds=one.bounds) for one in figures])
    return dict(zip(reports, verdicts, strict=True))


@dataclass(frozen=True)
class GateResult:
    """The verdicts of all targets."""

    verdicts: tuple[Verdict, ...]
    doubts: tuple[str, ...] = ()
    """What could not be judged at all, and what would settle it: `place: what and what to do`."""
    confidence: float = CONFIDENCE
    """That all checks on measurements hold at once; what rests on an estimate says its own."""

    @property
    def outcome(self) -> Outcome:
        """FAIL before UNJUDGED before PASS.

        Warnings are left out, but something has to have passed: a gate that could judge nothing is
        UNJUDGED, as is one with a target without any limit.
        """
        outcomes = [Outcome.UNJUDGED for _ in self.doubts]
        for verdict in self.verdicts:
            judged = [check.outcome for check in verdict.checks if not check.warns]
            outcomes += judged if verdict.checks else [Outcome.UNJUDGED]
        return worst(outcomes)

    def __str__(self) -> str:
        # Late: the views show what stands above.
        from edgedistill.app.gate_views import tell_gate

        return tell_gate(self)


def judge(
    *paths: str | Path,
    budgets: str | Path | None = None,
    inputs: GateInputs | None = None,
    progress: Progress | None = None,
) -> GateResult:
    """Judges finished runs, or single reports, against the budgets they carry or those of a file.

    All checks hold together at the confidence of the budgets file, else at 95 %. A run that is not
    complete, or a model that is not the one its report is about, is UNJUDGED; the rest is judged
    all the same.

    Args:
        paths: Run folders or report files.
        budgets: A budgets file, whose limits take the place of the reports' own. A target that only
            one of the two knows is UNJUDGED.
        inputs: Baselines, and what was measured where the devices are.
        progress: Where it tells how far it is while a baseline is run again; None for nobody.

    Raises:
        InputError: If there is no report at a path, or something given cannot be read.
    """
    asked = None if budgets is None else read_budgets(budgets)
    cases: list[Case] = []
    doubts: list[str] = []
    told: list[str] = []
    for path in map(Path, paths):
        for file in _report_files(path, doubts):
            figures = read_figures(file)
            doubt = _model_doubt(file, figures)
            if doubt is None:
                cases.append(Case(figures=figures, bounds=figures.bounds, file=str(file)))
            else:
                doubts.append(doubt)
                told.append(figures.target)
    confidence, known = CONFIDENCE, tuple(cases)
    if asked is not None and budgets is not None:
        confidence = asked.confidence
        known, missing = under_budgets(known, asked, file=budgets, told=told)
        doubts += missing
    known, unused = with_inputs(
        known, inputs or GateInputs(), confidence=confidence, progress=progress
    )
    verdicts = judge_all(known, confidence=confidence)
    return GateResult(verdicts, (*doubts, *unused), confidence)


def waterfall_file(name: str, student: str | None) -> str:
    """Where a model lies beside a report.

    Args:
        name: The step of the waterfall, or the candidate of the last network.
        student: Whose step it is, where there are several students.
    """
    own = "" if student is None or name == "teacher" else f"{student}/"
    return f"{WATERFALL_FOLDER}/{own}{name}.onnx"


def state_document(resolved: Resolved, state: str) -> bytes:
    """The run's state as JSON."""
    document = {
        "schema_version": 1,
        "state": state,
        "name": resolved.recipe.name,
        "recipe_sha256": text_sha256(resolved.lock()),
        "targets": sorted(resolved.recipe.targets),
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _report_files(path: Path, doubts: list[str]) -> list[Path]:
    if path.is_file():
        return [path]
    state_file = path / STATE_FILE
    if not state_file.is_file():
        raise InputError(
            Fault(
                file=path,
                problem="is neither a run folder nor a report",
                remedy="Give the folder that compress wrote with --out, or its report.json",
            )
        )
    state = read_state(state_file)
    if state.get("state") != COMPLETE:
        reason = (
            "the run is not complete, so its budgets cannot be judged. Finish it: run the same "
            "command, or the same Python call, again"
        )
        doubts.append(f"{path}: {reason}")
        return []
    return [path / TARGETS_FOLDER / str(target) / REPORT_FILE for target in state["targets"]]


def read_state(path: Path) -> dict[str, Any]:
    """The state of a run, of which `targets` is a list.

    Raises:
        InputError: If the file is not the state of a run.
    """
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            Fault(file=path, problem="is not readable JSON", remedy="Run compress again")
        ) from error
    if not isinstance(state, dict) or not isinstance(state.get("targets"), list):
        raise InputError(
            Fault(file=path, problem="is not the state of a run", remedy="Run compress again")
        )
    return state


def _model_doubt(file: Path, figures: Figures) -> str | None:
    model = file.parent / figures.model
    if model.is_file() and file_sha256(model) == figures.model_sha256:
        return None
    reason = (
        f"is not the model that {file} is about, so it cannot be judged. "
        "Run compress again, or put the model and its report side by side"
    )
    return f"{model}: {reason}"
