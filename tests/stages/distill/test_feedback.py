from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from edgedistill import models
from edgedistill.core.learning import Distill, Feedback, Training
from edgedistill.stages.distill.answers import Teach, open_answers
from edgedistill.stages.distill.distillation import Distillation
from edgedistill.stages.distill.feedback import Replay, find_errors
from edgedistill.stages.distill.train import Train
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset
    from edgedistill.models import Network
    from edgedistill.stages.distill.answers import KeptAnswers


def test_errors_are_parted_by_whether_the_teacher_is_sure() -> None:
    teacher = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.05, 0.95], [0.4, 0.6]])
    student = np.array([0, 1, 1, 1, 1, 0])
    labels = np.array([0, 0, 0, 0, UNLABELLED, UNLABELLED])
    samples = np.array([10, 11, 12, 13, 14, 15])
    found = find_errors(student, teacher, labels, samples, sure=0.8)
    assert found.corrected.tolist() == [11, 13]  # wrong by the label, and the teacher is sure
    assert found.contradicted.tolist() == [13]  # of which it thinks otherwise than the label
    assert found.dropped.tolist() == [12, 15]  # the teacher is not sure


@dataclass(frozen=True, eq=False)
class Lesson:
    dataset: Dataset
    answers: KeptAnswers
    student: Network


@pytest.fixture
def taught(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> Lesson:
    """A teacher that knows digits, and a student after a short lesson."""
    dataset, training = digits(labelled=0.5), Training(epochs=6, batch_size=64, learning_rate=8e-3)
    teacher, lesson = network(), folder("teacher")
    Train(teacher, dataset, training).run(lesson)
    asked = folder("answers")
    taught = models.load(lesson.folder, model=teacher.model, base=lesson.folder)
    Teach(taught, dataset).run(asked)
    answers, place = open_answers(asked.folder), folder("student")
    small = network("mlp", width=16, depth=1)
    Distillation(small, dataset, answers, Distill(train=Training(epochs=2))).run(place)
    student = models.load(place.folder, model=small.model, base=place.folder)
    return Lesson(dataset, answers, student)


def replayed(taught: Lesson, context: StageContext, **changes: Any) -> dict[str, Any]:
    feedback = Feedback.model_validate(
        {"sure": 0.6, "train": {"epochs": 4, "batch_size": 32, "learning_rate": 3e-3}, **changes}
    )
    replay = Replay(
        network=taught.student,
        dataset=taught.dataset,
        answers=taught.answers,
        config=Distill(temperature=2.0),
        feedback=feedback,
        number=1,
    )
    return dict(replay.run(context).facts)


def test_a_round_makes_a_poor_student_better_and_says_by_how_much(
    taught: Lesson, folder: Callable[..., StageContext]
) -> None:
    facts = replayed(taught, folder("feedback"))
    assert facts["errors"] == facts["corrected"] + facts["dropped"]
    assert facts["corrected"] > 50
    assert sum(facts["corrected_by_class"].values()) == facts["corrected"]
    gain = facts["accuracy_gain"]
    measured = facts["validation_accuracy_after"] - facts["validation_accuracy_before"]
    assert gain["value"] == pytest.approx(measured)
    assert gain["low"] > 0.02


def test_a_round_is_the_same_again(taught: Lesson, folder: Callable[..., StageContext]) -> None:
    places: list[Path] = []
    for name in ("once", "again"):
        context = folder(name)
        replayed(taught, context)
        places.append(context.folder)
    first, second = (path / "weights.safetensors" for path in places)
    assert first.read_bytes() == second.read_bytes()


def test_where_the_teacher_is_sure_of_nothing_the_student_stays_as_it_was(
    taught: Lesson, folder: Callable[..., StageContext]
) -> None:
    unsure = Feedback(sure=1.0)
    context = folder("unsure")
    facts = replayed(taught, context, sure=unsure.sure)
    assert facts["corrected"] == 0
    assert facts["dropped"] == facts["errors"] > 0
    assert facts["accuracy_gain"]["value"] == 0
    after = models.load(context.folder, model=taught.student.model, base=context.folder)
    pairs = zip(
        after.module.state_dict().values(), taught.student.module.state_dict().values(), strict=True
    )
    assert all(torch.equal(first, second) for first, second in pairs)
