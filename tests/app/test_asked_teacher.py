"""A teacher behind an endpoint on the whole road, from CSV files to a student that ships."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from teacher_server import KEY, SERVED, TeacherServer, named

import edgedistill
from edgedistill.app.resolve import read_recipe
from edgedistill.core.damage import Text
from edgedistill.core.evidence import Evidence
from edgedistill.core.verdict import Outcome
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgedistill import CompressionRun

transformers = pytest.importorskip("transformers", reason="needs the extra hf")

TOPICS = ("food", "travel", "weather")
TRAVEL = ("train", "ticket", "road", "airport", "hotel", "map", "flight", "bus")
FOOD = ("bread", "soup", "apple", "cheese", "rice", "salt", "cook", "sweet")
SAMPLES = 150
RECIPE = """
schema_version: 1
name: topics
threads: 1
data:
  source: csv:data
  columns: {text: text, label: category}
  preprocessing: {kind: text, tokenizer: tokenizer.json, max_tokens: 12}
  splits: {validation: 0.2, test: 0.2, calibration: 16, labelled: 0.1}
teacher:
  source: endpoint
  endpoint:
    url: URL
    model: tiny-teacher
    max_tokens: 16
    top_k_log_probabilities: 5
    key_env: TEACHER_API_KEY
student:
  source: hf:student
stages:
  distill:
    alpha: 1.0
    train: {epochs: 20, batch_size: 16, learning_rate: 0.005}
  quantize: null
  benchmark: null
targets:
  host: {budget: {max_accuracy_drop: 0.2}}
"""
WITHOUT_LOG_PROBABILITIES = "teacher.endpoint.top_k_log_probabilities=0"
AT_ONCE = "stages.distill.train.epochs=1"


def opinion(prompt: str) -> dict[str, float]:
    """Nine parts of ten to the topic of the words in the last line of the prompt."""
    text = prompt.strip().splitlines()[-1].removeprefix("Text: ").lower()
    words = set(text.replace(",", " ").split())
    topic = "travel" if words & set(TRAVEL) else "food" if words & set(FOOD) else "weather"
    return {name: 0.9 if name == topic else 0.05 for name in TOPICS}


@pytest.fixture
def teacher() -> Iterator[TeacherServer]:
    with TeacherServer() as running:
        running.opinion = opinion
        yield running


@pytest.fixture
def project(
    text_folder: Callable[..., Path], teacher: TeacherServer, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A recipe with its data, a tokenizer and a configuration of the student."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TEACHER_API_KEY", KEY)
    folder = text_folder(SAMPLES)
    transformers.BertConfig(
        vocab_size=40,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
    ).save_pretrained(folder / "student")
    (folder / "recipe.yaml").write_text(RECIPE.replace("URL", teacher.url))
    return folder


def run_of(project: Path, *settings: str) -> CompressionRun:
    resolved = read_recipe(project / "recipe.yaml", settings=settings)
    return edgedistill.run_recipe(resolved, out=project / "run")


@pytest.mark.slow
def test_a_student_learns_from_token_probabilities_and_is_compared_with_the_endpoint(
    project: Path, teacher: TeacherServer
) -> None:
    run = run_of(project)
    report = run.reports["host"]
    asked, distilled = report.rows

    assert len(teacher.seen) == len(set(teacher.asked)) <= SAMPLES
    assert asked.step == "teacher"
    assert asked.accuracy.value == 1.0
    assert asked.accuracy.evidence is Evidence.MEASURED_ON_STAND_IN
    assert asked.test_accuracy is not None
    assert asked.test_accuracy.value == 1.0
    assert (asked.model_sha256, asked.precision, asked.size_mb, asked.macs) == (None,) * 4
    assert distilled.accuracy.value > 0.7  # chance is 1/3
    assert distilled.accuracy_drop is not None
    assert distilled.agreement is not None
    drop = distilled.accuracy_drop.value
    assert drop == pytest.approx(1 - distilled.accuracy.value)
    assert distilled.agreement.value == pytest.approx(distilled.accuracy.value)
    assert distilled.worst_class is not None
    damage = report.damage
    assert damage is not None
    assert damage.calibration_error is not None
    assert damage.flipped.changed.value == pytest.approx(1 - distilled.agreement.value)
    assert all(isinstance(one.content, Text) for one in damage.examples)
    expected = Outcome.PASS if drop <= 0.2 else Outcome.FAIL
    assert run.gate().outcome is expected

    notes = " ".join(report.notes)
    assert f"tiny-teacher behind {teacher.url}, which answered as {SERVED}" in notes
    assert "Distillation was token-level top-k" in notes
    assert "0 of the teacher's answers to 150 texts" in notes
    folder = run.folder / "targets" / "host"
    assert "| teacher (behind an endpoint) |" in (folder / "report.md").read_text()
    assert not (folder / "waterfall" / "teacher.onnx").exists()
    _require_no_key(run.folder)

    # The classes part at their first token, so the walk finds the teacher's very probabilities.
    (path,) = run.folder.glob("steps/verdicts-*/validation/verdicts.npy")
    found = np.sort(np.exp(np.load(path)), axis=1)
    assert found == pytest.approx(np.tile([0.05, 0.05, 0.9], (30, 1)), abs=1e-6)


def _require_no_key(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_without_log_probabilities_the_student_learns_from_the_named_classes(
    project: Path, teacher: TeacherServer
) -> None:
    report = run_of(project, WITHOUT_LOG_PROBABILITIES).reports["host"]
    assert "logprobs" not in teacher.seen[0].body
    assert report.rows[1].accuracy.value > 0.7
    assert "Distillation was sequence-level" in " ".join(report.notes)
    # how sure it was is the recipe's word, so its probabilities are not held against the truth
    assert report.damage is not None
    assert report.damage.calibration_error is None


@pytest.mark.slow
def test_a_second_run_asks_nothing_and_so_does_another_handling_of_the_answers(
    project: Path, teacher: TeacherServer
) -> None:
    first = run_of(project, AT_ONCE)
    asked = len(teacher.seen)
    again = run_of(project, AT_ONCE)
    surer = run_of(project, AT_ONCE, "teacher.sure=0.9")
    patient = run_of(project, AT_ONCE, "teacher.endpoint.retries=3")
    assert len(teacher.seen) == asked
    assert first.steps_made > 0
    assert again.steps_made == patient.steps_made == 0
    assert surer.steps_made > 0
    kept, found = (one.reports["host"].model_dump(mode="json") for one in (first, again))
    assert found == kept


@pytest.mark.slow
def test_answers_that_name_no_class_are_counted_and_never_right(
    project: Path, teacher: TeacherServer
) -> None:
    """On weather the teacher says that it cannot tell."""

    def evasive(prompt: str) -> dict[str, float]:
        said = opinion(prompt)
        return {"Hard to say.": 1.0} if named(said) == "weather" else said

    teacher.opinion = evasive
    report = run_of(project, AT_ONCE).reports["host"]
    asked = report.rows[0]
    assert asked.accuracy.value == pytest.approx(2 / 3)
    assert "50 of the teacher's answers to 150 texts name no class" in " ".join(report.notes)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("student.source=endpoint", "is a teacher only"),
        ("student=null", "the teacher endpoint cannot be compressed itself"),
        (
            "stages.distill.layers=[{teacher: a, student: b, method: hint, weight: 1.0}]",
            r"stages\.distill\.layers: .*shows its answers, not its layers",
        ),
        ("teacher.question=Well?", "does not hold {text} once"),
        ("teacher.endpoint.key_env=NOT_SET_HERE", "NOT_SET_HERE"),
    ],
)
def test_what_an_endpoint_cannot_teach_is_refused_before_anything_is_asked(
    project: Path, teacher: TeacherServer, setting: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        run_of(project, setting)
    assert not teacher.seen


def test_samples_that_are_not_texts_are_refused_before_anything_is_asked(
    teacher: TeacherServer, tmp_path: Path
) -> None:
    endpoint = {"url": teacher.url, "model": "tiny-teacher"}
    with pytest.raises(InputError, match="the samples of sklearn:digits are not texts"):
        edgedistill.compress(
            teacher={"source": "endpoint", "endpoint": endpoint},
            student="builtin:mlp",
            data="sklearn:digits",
            targets=["host"],
            out=tmp_path / "run",
        )
    assert not teacher.seen


PROGRAM = """
import sys
import edgedistill
from edgedistill.app.resolve import read_recipe

edgedistill.run_recipe(read_recipe(sys.argv[1]), out=sys.argv[2])
"""


def _start(project: Path) -> subprocess.Popen[bytes]:
    arguments = [str(project / "recipe.yaml"), str(project / "run")]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _journaled(project: Path) -> list[dict[str, Any]]:
    (path,) = (project / "run").rglob("journal.jsonl")
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [json.loads(line)["entry"] for line in lines]


@pytest.mark.slow
def test_a_run_killed_while_it_asks_pays_for_no_answer_twice(
    project: Path, teacher: TeacherServer
) -> None:
    teacher.permits = threading.Semaphore(0)
    run = _start(project)
    for _ in range(40):
        teacher.permits.release()
    teacher.wait_for_answers(40)
    run.kill()
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    for _ in range(len(teacher.seen) - teacher.answers):  # sent by the dead, answered to nobody
        teacher.permits.release()
    teacher.wait_for_answers(len(teacher.seen))
    before, kept = len(teacher.seen), len(_journaled(project))
    assert kept >= 30  # each of 4 threads had one reply under way

    teacher.permits = None
    distinct = len(set(teacher.asked)), set(teacher.asked)
    report = run_of(project).reports["host"]
    assert "token-level top-k" in " ".join(report.notes)
    asked_again = set(teacher.asked[before:]) & distinct[1]
    assert len(asked_again) == distinct[0] - kept
    assert len(teacher.seen) - before == len(set(teacher.asked)) - kept
