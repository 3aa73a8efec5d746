"""Several students of one teacher, from the recipe to the reports."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sklearn.datasets import load_digits
from torch import nn

import edgedistill
from edgedistill.app.resolve import Resolved, resolve
from edgedistill.core.evidence import Evidence
from edgedistill.core.recipe import Recipe
from edgedistill.errors import InputError
from edgedistill.render.document import read_report
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from edgedistill import CompressionRun
    from edgedistill.core.report import Report, Row

TRAIN = {"epochs": 2, "batch_size": 128, "learning_rate": 0.005}
NAMES = ["width-0.25", "width-0.5", "width-1"]
WIDTHS = [4, 8, 16]
RECIPE: dict[str, Any] = {
    "schema_version": 1,
    "name": "several",
    "threads": 1,
    "data": {
        "source": "sklearn:digits",
        "splits": {"validation": 0.2, "test": 0.2, "calibration": 32},
    },
    "teacher": {"source": "builtin:mlp", "args": {"width": 64}, "train": TRAIN},
    "student": [
        {"name": name, "source": "builtin:mlp", "args": {"width": width, "depth": 1}}
        for name, width in zip(NAMES, WIDTHS, strict=True)
    ],
    "stages": {
        "distill": {"train": TRAIN},
        "benchmark": {"warmup_runs": 1, "rounds": 10, "runs_per_round": 2},
    },
    "targets": {
        "host": {"budget": {"latency_p50_ms": 1000.0}},
        "raspberry-pi-5": {"budget": {"max_accuracy_drop": 1.0}, "stages": {"quantize": None}},
    },
}


def _resolved(**changes: Any) -> Resolved:
    recipe = Recipe.read({**RECIPE, **changes}, file="recipe.yaml")
    return resolve(recipe, file="recipe.yaml", base=Path())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> CompressionRun:
    return edgedistill.run_recipe(_resolved(), out=tmp_path_factory.mktemp("several") / "run")


def _steps(folder: Path) -> Counter[str]:
    return Counter(path.name.partition("-")[0] for path in (folder / "steps").iterdir())


def test_the_teacher_is_trained_and_asked_once_and_all_are_measured_at_once(
    run: CompressionRun,
) -> None:
    assert _steps(run.folder) == {
        "data": 1,
        "teacher": 1,
        "answers": 1,
        "distill": 3,
        "fine": 3,  # fine-tunings, of which none may be needed
        "export": 7,
        "quantize": 27,  # of each four schemes, dynamic int8, the first scheme fine-tuned, and
        # three schemes plain for a first look
        "glance": 3,
        "predict": 22,
        "measure": 1,
        "profile": 1,
    }
    assert run.steps_made == sum(_steps(run.folder).values())
    again = edgedistill.run_recipe(_resolved(), out=run.folder)
    assert again.steps_made == 0
    assert again.reports == run.reports


def _networks(report: Report) -> list[tuple[str, Row]]:
    own = [(one.name, row) for one in report.students for row in one.rows]
    return [("teacher", report.rows[0]), *own]


def test_each_report_holds_all_students_in_the_recipes_order(run: CompressionRun) -> None:
    steps = {"host": ["distilled", "int8"], "raspberry-pi-5": ["distilled"]}
    for target, report in run.reports.items():
        assert [one.name for one in report.students] == NAMES
        for one in report.students:
            assert [row.step for row in one.rows] == steps[target]
        macs = [one.shipped().macs.value for one in report.students]
        assert macs == [64 * width + width * 10 for width in WIDTHS]
    for _, row in _networks(run.reports["host"]):
        assert row.latency is not None
        assert row.latency.p50_ms.evidence is Evidence.MEASURED_ON_DEVICE
    for _, row in _networks(run.reports["raspberry-pi-5"]):
        assert row.latency is not None
        assert row.latency.p50_ms.evidence is Evidence.ESTIMATED


@pytest.mark.parametrize("target", ["host", "raspberry-pi-5"])
def test_the_front_is_what_no_network_of_the_report_beats(run: CompressionRun, target: str) -> None:
    report = run.reports[target]
    points = [
        (row.accuracy.value, row.latency.p50_ms.value if row.latency else row.macs.value)
        for _, row in _networks(report)
    ]
    for one in report.students:
        row = one.shipped()
        accuracy = row.accuracy.value
        cost = row.latency.p50_ms.value if row.latency else row.macs.value
        beaten = any(a >= accuracy and c <= cost and (a, c) != (accuracy, cost) for a, c in points)
        assert one.on_front is not beaten


def test_each_target_gets_the_student_that_its_budget_asks_for(run: CompressionRun) -> None:
    host, board = run.reports["host"], run.reports["raspberry-pi-5"]
    best = max(host.students, key=lambda one: one.shipped().accuracy.value)
    assert host.choice.student == best.name
    assert "3 of 3 students keep the budget's limits on latency; of these" in host.choice.reason
    assert board.choice.student == "width-0.25"
    assert "the figures cannot tell width-0.25 (0.0" in board.choice.reason
    assert not board.choice.decided
    for report in (host, board):
        chosen = next(one for one in report.students if one.name == report.choice.student)
        assert report.rows[1:] == chosen.rows
        assert report.choice.step == chosen.choice.step


def test_every_model_lies_beside_its_report(run: CompressionRun) -> None:
    for target, report in run.reports.items():
        folder = run.folder / "targets" / target
        assert read_report(folder / "report.json") == report
        assert file_sha256(folder / "model.onnx") == report.shipped().model_sha256
        assert file_sha256(folder / "waterfall/teacher.onnx") == report.rows[0].model_sha256
        for one in report.students:
            assert file_sha256(folder / one.choice.model) == one.shipped().model_sha256
            for row in one.rows:
                model = folder / "waterfall" / one.name / f"{row.variant or row.step}.onnx"
                assert file_sha256(model) == row.model_sha256
            for candidate in one.candidates:
                if candidate.model is None:  # a first look found it slow
                    assert "as fast as the float model here" in candidate.reason
                    continue
                assert candidate.row is not None
                assert file_sha256(folder / candidate.model) == candidate.row.model_sha256
        made = sum(
            max(1, sum(each.row is not None for each in one.candidates)) for one in report.students
        )
        assert len(list(folder.rglob("*.onnx"))) == made + 2  # the teacher and the shipped one
        assert "pareto.svg" in (folder / "report.md").read_text()
        assert (folder / "pareto.svg").read_text().startswith("<svg")


def test_the_gate_judges_the_student_that_ships(run: CompressionRun) -> None:
    result = edgedistill.judge(run.folder)
    host, board = result.verdicts
    latency = run.reports["host"].shipped().latency
    assert latency is not None
    (judged,) = host.checks
    assert judged.figure is not None
    assert judged.figure.value == latency.p50_ms.value
    assert [str(check.outcome) for check in board.checks] == ["PASS"]


def test_one_student_more_is_taught_with_the_same_answers(
    run: CompressionRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    more = [*RECIPE["student"], {"source": "builtin:mlp", "args": {"width": 12, "depth": 1}}]
    targets = {"host": RECIPE["targets"]["host"]}
    again = edgedistill.run_recipe(_resolved(student=more, targets=targets), out=folder)
    assert _steps(folder) - _steps(run.folder) == {
        "distill": 1,
        "fine": 1,
        "export": 2,
        "quantize": 9,
        "glance": 1,
        "predict": 7,
        "measure": 1,
        "profile": 1,
    }
    assert again.steps_made == 23
    names = [one.name for one in again.reports["host"].students]
    assert names == [*NAMES, "mlp-width-12-depth-1"]


def test_a_list_of_one_is_as_one_alone(run: CompressionRun, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    targets = {"raspberry-pi-5": RECIPE["targets"]["raspberry-pi-5"]}
    only = edgedistill.run_recipe(
        _resolved(student=RECIPE["student"][:1], targets=targets), out=folder
    )
    assert only.steps_made == 0
    report = only.reports["raspberry-pi-5"]
    assert report.students == ()
    assert report.choice.student is None
    files = {path.name for path in (folder / "targets/raspberry-pi-5").rglob("*.*")}
    assert files == {
        "model.onnx",
        "teacher.onnx",
        "distilled.onnx",
        "bom.cdx.json",
        "manifest.json",
        "model-card.md",
        "report.html",
        "report.json",
        "report.md",
    }


def _net(width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def test_modules_sources_and_mappings_go_in_as_students(tmp_path: Path) -> None:
    digits = load_digits()
    images, labels = (digits.images[:, None] / 16).astype("float32"), digits.target
    run = edgedistill.compress(
        teacher=_net(32),
        student=(_net(8), {"name": "small", "source": "builtin:mlp", "args": {"width": 4}}),
        data={
            "train": (images[:400], labels[:400]),
            "validation": (images[400:600], labels[400:600]),
        },
        stages={"distill": {"train": {"epochs": 1}}, "quantize": None, "benchmark": None},
        targets=("raspberry-pi-4",),
        out=tmp_path / "run",
    )
    report = run.reports["raspberry-pi-4"]
    assert [one.name for one in report.students] == ["student-1", "small"]
    assert [one.choice.step for one in report.students] == ["distilled"] * 2


def test_a_student_that_does_not_fit_is_named_by_its_place(tmp_path: Path) -> None:
    students = [RECIPE["student"][0], {"source": "builtin:mlp", "args": {"witdh": 8}}]
    with pytest.raises(InputError, match=r"student\.1\.args\.witdh: is not a known key"):
        edgedistill.run_recipe(_resolved(student=students), out=tmp_path / "run")
    with pytest.raises(InputError, match="student: is an empty list"):
        edgedistill.compress(
            teacher="builtin:mlp",
            student=[],
            data="sklearn:digits",
            targets=("host",),
            out=tmp_path / "run",
        )
