"""Every way of teaching on the whole road, from the recipe to the report."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import edgedistill
from edgedistill.app.networks import Networks
from edgedistill.app.road import lay_road
from edgedistill.data import open_source
from edgedistill.errors import InputError
from edgedistill.render.document import read_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.app.resolve import Resolved
    from edgedistill.app.road import Road

TAUGHT: dict[str, Any] = {
    "curate": {"head": [{"score": "confidence", "quantile": 0.05}], "suspect_labels": {}},
    "distill": {
        "method": "dist",
        "temperature": 1.0,
        "layers": [{"teacher": "1", "student": "1", "method": "attention", "weight": 10}],
        "curriculum": {"start": 0.5},
        "feedback": {"rounds": 2, "sure": 0.3, "train": {"epochs": 1, "batch_size": 32}},
        "train": {"epochs": 3, "batch_size": 32},
    },
    "prune": None,
}


def _road(resolved: Resolved, base: Path) -> Road:
    source = open_source(resolved.recipe.data, base=base)
    return lay_road(resolved, source, Networks(resolved.recipe))


def names(road: Road) -> list[str]:
    return [step.name for step in road.plan.steps]


def test_what_the_recipe_does_not_ask_for_is_not_planned(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    assert not {"curate", "feedback"} & set(names(_road(tiny(), tmp_path)))


def test_curation_comes_before_the_lesson_and_feedback_after(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    planned = names(_road(tiny(stages=TAUGHT), tmp_path))
    first = planned.index("answers")
    assert planned[first : first + 5] == ["answers", "curate", "distill", "feedback", "feedback"]


def test_a_curriculum_alone_needs_the_scores_but_cuts_nothing(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    stages = {"distill": {"curriculum": {}, "train": {"epochs": 1}}}
    step = next(
        step for step in _road(tiny(stages=stages), tmp_path).plan.steps if step.name == "curate"
    )
    assert "scores only" in step.title


def test_another_feedback_teaches_the_student_no_other_lesson(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    def keys(rounds: int) -> dict[str, str]:
        distill = {**TAUGHT["distill"], "feedback": {"rounds": rounds}}
        road = _road(tiny(stages={**TAUGHT, "distill": distill}), tmp_path)
        return {step.name: step.key for step in road.plan.steps}

    one, two = keys(1), keys(2)
    assert one["distill"] == two["distill"]
    assert one["export"] != two["export"]


HOST: dict[str, Any] = {"host": {"budget": {"latency_p50_ms": 1000.0}}}


@pytest.mark.slow
def test_every_way_of_teaching_takes_the_road_and_the_report_says_what_each_did(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    stages = {**TAUGHT, "benchmark": None}
    longer = {"epochs": 8, "batch_size": 64, "learning_rate": 0.005}
    resolved = tiny(stages=stages, targets=HOST, teacher__train=longer)
    run = edgedistill.run_recipe(resolved, out=tmp_path / "run")
    steps = run.reports["host"].learning
    assert [step.name for step in steps] == [
        *("teacher", "answers", "curate", "distill", "feedback", "feedback")
    ]
    curation, distilled, feedback = steps[2].curation, steps[3], steps[4]
    assert curation is not None
    assert curation.kept + curation.removed == curation.samples
    assert curation.removed > 0
    assert sum(each.removed for each in curation.classes.values()) == curation.removed
    assert distilled.samples == curation.kept
    assert feedback.feedback is not None
    assert feedback.feedback.errors == feedback.feedback.corrected + feedback.feedback.dropped
    assert feedback.gain is not None
    assert feedback.gain.low <= feedback.gain.value <= feedback.gain.high
    assert feedback.accuracy_before == distilled.accuracy_after
    text = (tmp_path / "run" / "targets" / "host" / "report.md").read_text()
    assert "## How it learned" in text
    assert "Curation kept" in text


def test_a_layer_that_does_not_exist_is_told_before_anything_is_trained(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    distill = {
        "layers": [{"teacher": "9", "student": "1", "method": "hint", "weight": 1}],
        "train": {"epochs": 1},
    }
    with pytest.raises(InputError, match=r"stages\.distill\.layers\[0\]\.teacher"):
        edgedistill.run_recipe(tiny(stages={"distill": distill}), out=tmp_path / "run")
    made = [path.name.split("-")[0] for path in (tmp_path / "run" / "steps").iterdir()]
    assert made == ["data"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_make_the_run_that_one_makes(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    """Started as a user starts them; each step is made once, whoever works on it."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(tiny(stages={"prune": None, "benchmark": None}, targets=HOST).lock())
    reports = []
    for processes in (1, 2):
        out = tmp_path / f"run-{processes}"
        command = [sys.executable, "-m", "edgedistill", "compress", str(recipe), "--out", str(out)]
        if processes > 1:
            start = ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "-m"]
            command[2:2] = start
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=500
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        assert ended.stdout.count("host: ") == 1
        reports.append(read_report(out / "targets" / "host" / "report.json"))
        assert not list((out / "steps").glob(".*"))
    for first, second in zip(*(report.rows for report in reports), strict=True):
        assert first.step == second.step
        assert abs(first.accuracy.value - second.accuracy.value) < 0.03
        assert first.macs == second.macs
    one, two = ([step.title for step in report.learning] for report in reports)
    assert one == two
