from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from edgedistill import models
from edgedistill.core.learning import Curriculum, Distill, LayerPair, Training
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.errors import InputError
from edgedistill.stages.distill.answers import Teach, open_answers
from edgedistill.stages.distill.distillation import Distillation
from edgedistill.stages.distill.train import Train
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.data.dataset import Dataset
    from edgedistill.models import Network
    from edgedistill.stages.distill.answers import KeptAnswers

TRAINING = Training(epochs=5, batch_size=32, learning_rate=5e-3)
VIEWS = Augmentation(views=2, shift_pixels=1)


@pytest.fixture(scope="module")
def answers(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    tmp_path_factory: pytest.TempPathFactory,
) -> KeptAnswers:
    """What a teacher that learned from all labels says."""
    start, dataset = network(width=16, stages=2), digits(augmentation=VIEWS)
    taught, told = (StageContext(tmp_path_factory.mktemp(name)) for name in ("teacher", "answers"))
    Train(start, dataset, TRAINING).run(taught)
    teacher = models.load(taught.folder, model=start.model, base=Path())
    Teach(teacher, dataset).run(told)
    return open_answers(told.folder)


def test_a_student_learns_from_few_labels_and_many_answers(
    answers: KeptAnswers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    few, student = digits(labelled=0.1, augmentation=VIEWS), network()
    as_many_steps = TRAINING.model_copy(update={"epochs": 50})
    alone = Train(student, few, as_many_steps).run(folder("alone")).facts
    taught = Distillation(student, few, answers, Distill(train=TRAINING)).run(folder("taught"))
    assert taught.facts["steps"] >= alone["steps"] == 150
    assert taught.facts["validation_accuracy_after"] > 0.85
    assert taught.facts["validation_accuracy_after"] > alone["validation_accuracy_after"] + 0.05, (
        alone
    )
    assert (taught.facts["samples"], taught.facts["labelled"]) == (1000, 100)


def test_no_label_is_needed_at_all(
    answers: KeptAnswers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    blind = digits(labelled=0.0, augmentation=VIEWS)
    assert (blind.train.labels == UNLABELLED).all()
    facts = Distillation(network(), blind, answers, Distill(train=TRAINING)).run(folder()).facts
    assert facts["validation_accuracy_after"] > 0.85


def test_with_alpha_one_labels_change_no_bit(
    answers: KeptAnswers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    config = Distill(alpha=1.0, train=TRAINING.model_copy(update={"epochs": 1}))
    files = []
    for name, labelled in (("all", 1.0), ("none", 0.0)):
        context = folder(name)
        dataset = digits(labelled=labelled, augmentation=VIEWS)
        Distillation(network(), dataset, answers, config).run(context)
        files.append((context.folder / "weights.safetensors").read_bytes())
    assert files[0] == files[1]


def test_with_alpha_zero_it_is_training_on_labels(
    answers: KeptAnswers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    few = digits(labelled=0.3, augmentation=VIEWS)
    training = TRAINING.model_copy(update={"epochs": 2, "label_smoothing": 0.1})
    Train(network(), few, training).run(plain := folder("plain"))
    config = Distill(alpha=0.0, train=training)
    Distillation(network(), few, answers, config).run(silent := folder("silent"))
    first, second = (
        (context.folder / "weights.safetensors").read_bytes() for context in (plain, silent)
    )
    assert first == second


def test_each_answer_is_that_of_the_very_view_the_student_sees(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    """Student and teacher are one network without batch norm: its loss against itself is 0."""
    same, dataset = network("mlp", width=16), digits(augmentation=VIEWS)
    Teach(same, dataset).run(context := folder("answers"))
    own = open_answers(context.folder)
    still = Training(epochs=1, batch_size=64, learning_rate=1e-12)
    config = Distill(alpha=1.0, train=still)
    right = Distillation(same, dataset, own, config).run(folder("right")).facts["loss"][0]
    swapped = replace(own, rows=np.ascontiguousarray(own.rows[::-1]))
    wrong = Distillation(same, dataset, swapped, config).run(folder("wrong")).facts["loss"][0]
    assert right == pytest.approx(0, abs=1e-6)
    assert wrong > 1e-4


def test_answers_on_other_samples_are_refused(
    answers: KeptAnswers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    config = Distill(train=TRAINING)
    stage = Distillation(network(), digits(samples=500, augmentation=VIEWS), answers, config)
    with pytest.raises(InputError, match=r"do not fit.*\[2, 500, 10\].*\[2, 1000, 10\]"):
        stage.run(folder())


def test_falling_apart_names_the_stage_it_happened_in(
    answers: KeptAnswers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    wild = Training(epochs=1, batch_size=64, optimizer="sgd", learning_rate=1e30)
    stage = Distillation(
        network(),
        digits(augmentation=VIEWS),
        answers,
        Distill(train=wild),
        recipe_key="stages.prune.recover",
    )
    context = folder()
    with pytest.raises(InputError, match=r"stages\.prune\.recover\.train\.learning_rate"):
        stage.run(context)
    assert list(context.folder.iterdir()) == []
    assert not torch.are_deterministic_algorithms_enabled()


@dataclass(frozen=True, eq=False)
class Heart:
    kept: np.ndarray
    hidden: np.ndarray
    difficulty: np.ndarray


def heart_of(samples: int = 1000) -> Heart:
    """Every third sample is cut away, the first hundred labels are hidden, the last are easiest."""
    everything = np.arange(samples)
    return Heart(
        kept=everything[everything % 3 != 0],
        hidden=everything < 100,
        difficulty=everything[::-1].astype(np.float32),
    )


@pytest.mark.parametrize(
    "config",
    [
        Distill(method="dkd", nontarget_weight=2.0, train=TRAINING),
        Distill(method="dist", temperature=1.0, train=TRAINING),
        Distill(standardize=True, temperature=1.0, train=TRAINING),
        Distill(curriculum=Curriculum(start=0.3), train=TRAINING),
        Distill(
            layers=(
                LayerPair(teacher="1", student="1", method="hint", weight=0.5),
                LayerPair(teacher="2", student="2", method="attention", weight=10.0),
                LayerPair(teacher="2", student="2", method="similarity", weight=10.0),
            ),
            train=TRAINING,
        ),
    ],
    ids=["dkd", "dist", "standardized", "curriculum", "layers"],
)
def test_every_way_of_teaching_teaches(
    answers: KeptAnswers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
    config: Distill,
) -> None:
    stage = Distillation(
        network(),
        digits(labelled=0.1, augmentation=VIEWS),
        answers,
        config,
        heart=heart_of(),
        teacher=network(width=16, stages=2, seed=5),
    )
    facts = stage.run(context := folder()).facts
    assert facts["validation_accuracy_after"] > 0.6
    assert facts["samples"] == 666
    student = models.load(context.folder, model=stage.network.model, base=Path())
    assert student.module.state_dict().keys() == stage.network.module.state_dict().keys()


def test_what_was_cut_away_teaches_nothing_and_a_hidden_label_is_no_label(
    answers: KeptAnswers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    dataset, heart = digits(augmentation=VIEWS), heart_of()
    labels = dataset.train.labels.copy()
    labels[heart.hidden] = (labels[heart.hidden] + 1) % 10
    labels[::3] = (labels[::3] + 1) % 10
    poisoned = replace(dataset, train=replace(dataset.train, labels=labels))
    config = Distill(train=TRAINING.model_copy(update={"epochs": 1}))
    files = []
    for name, data in (("clean", dataset), ("poisoned", poisoned)):
        context = folder(name)
        facts = Distillation(network(), data, answers, config, heart=heart).run(context).facts
        files.append((context.folder / "weights.safetensors").read_bytes())
        assert facts["labelled"] == int((~heart.hidden[heart.kept]).sum())
    assert files[0] == files[1]


def test_a_layer_that_does_not_exist_is_named_with_the_closest(
    answers: KeptAnswers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    pair = LayerPair(teacher="1.first", student="1.frist", method="hint", weight=1.0)
    stage = Distillation(
        network(),
        digits(augmentation=VIEWS),
        answers,
        Distill(layers=(pair,)),
        teacher=network(width=16, stages=2),
    )
    with pytest.raises(InputError, match=r"stages\.distill\.layers\[0\]\.student.*1\.first"):
        stage.run(folder())
