from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from edgedistill import tasks
from edgedistill.core.learning import Training
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import Alone
from edgedistill.core.teacher import Model
from edgedistill.errors import InputError
from edgedistill.models import Network
from edgedistill.stages.distill.lesson import Batch, Lesson
from edgedistill.stages.distill.loop import learn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from torch import Tensor

    from edgedistill.core.stage import Advance, StageContext
    from edgedistill.data.dataset import Dataset

TRAINING = Training(epochs=2, batch_size=64, learning_rate=5e-3)


def on_labels(logits: Tensor, batch: Batch) -> Tensor:
    return tasks.label_loss(logits, batch.labels)


def lesson_of(network: Network, dataset: Dataset, training: Training = TRAINING) -> Lesson:
    return Lesson(
        network=network,
        dataset=dataset,
        training=training,
        samples=np.arange(len(dataset.train)),
        objective=on_labels,
        title="learning",
        recipe_key="stages.prune.recover.train",
    )


def weights_of(network: Network) -> dict[str, Tensor]:
    return dict(network.module.state_dict())


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("threads", [1, 2])
def test_one_seed_gives_one_network_and_another_seed_another(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
    threads: int,
) -> None:
    dataset = digits(samples=128, augmentation=Augmentation(views=2, shift_pixels=1))
    dataset = replace(dataset, validation=dataset.calibration)
    learned = [
        weights_of(
            learn(lesson_of(network(), dataset), folder(name, seed=seed, threads=threads))[0]
        )
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    ]
    assert same(learned[0], learned[1])
    assert not same(learned[0], learned[2])


def test_dropout_is_repeated_too(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    made = network()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
    dropping = Network(module, Model(source="live:x"), made.signature, made.preprocessing)
    first, second = (
        weights_of(learn(lesson_of(dropping, digits(samples=200)), folder(name))[0])
        for name in ("a", "b")
    )
    assert same(first, second)


def test_the_given_network_is_not_changed_and_the_learned_one_rests(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    start = network()
    before = {name: value.clone() for name, value in weights_of(start).items()}
    learned, _ = learn(lesson_of(start, digits()), folder())
    assert same(before, weights_of(start))
    assert not same(before, weights_of(learned))
    assert not any(part.training for part in learned.module.modules())
    assert all(parameter.grad is None for parameter in learned.module.parameters())
    assert (learned.model, learned.signature) == (start.model, start.signature)


def test_history_tells_what_happened(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    training = Training(epochs=4, batch_size=64, learning_rate=5e-3)
    _, history = learn(lesson_of(network(), digits(), training), folder())
    facts = history.facts()
    assert (facts["epochs"], facts["steps"], facts["samples"]) == (4, 60, 1000)
    assert len(facts["loss"]) == len(facts["validation_accuracy"]) == 4
    assert facts["loss"][-1] < facts["loss"][0]
    assert facts["validation_accuracy_after"] == facts["validation_accuracy"][-1]
    assert facts["validation_accuracy_before"] < 0.3 < facts["validation_accuracy_after"]
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


class Listening:
    """A progress that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.notes: list[str] = []

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Advance]:
        self.told.append((title, total))

        def advance(amount: int = 1, *, note: str = "") -> None:
            self.notes.extend([note] * amount)

        yield advance

    def say(self, line: str) -> None:
        raise AssertionError(line)


def test_progress_moves_once_a_step_and_notes_the_loss(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    progress = Listening()
    learn(lesson_of(network(), digits()), replace(folder(), progress=progress))
    assert progress.told == [("learning", 30)]
    assert len(progress.notes) == 30
    assert all(note.startswith("loss ") for note in progress.notes)


def test_training_that_falls_apart_names_the_learning_rate(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    wild = Training(epochs=2, batch_size=64, optimizer="sgd", learning_rate=1e30)
    context = folder()
    with pytest.raises(InputError) as caught:
        learn(lesson_of(network(), digits(), wild), context)
    fault = caught.value.faults[0]
    assert fault.field == "stages.prune.recover.train.learning_rate"
    assert fault.given == "1e+30"
    assert "smaller" in fault.remedy
    assert list(context.folder.iterdir()) == []
    assert not torch.are_deterministic_algorithms_enabled()


def test_weights_broken_by_the_very_last_step_are_noticed(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    last = Training(epochs=1, batch_size=1000, optimizer="sgd", learning_rate=1e38)
    with pytest.raises(InputError, match=r"learning_rate.*answers NaN or infinity at step 1"):
        learn(lesson_of(network(), digits(), last), folder())


def test_a_loss_that_is_nan_from_the_start_is_not_blamed_on_the_learning_rate(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    lesson = replace(
        lesson_of(network(), digits()), objective=lambda logits, _batch: logits.sum() * torch.nan
    )
    with pytest.raises(InputError, match="before the first step") as caught:
        learn(lesson, folder())
    assert caught.value.faults[0].field == "stages.prune.recover.train"


@pytest.mark.parametrize(("batch_size", "samples"), [(1, 20), (8, 1)])
def test_batch_norm_never_sees_one_sample(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
    batch_size: int,
    samples: int,
) -> None:
    training = Training(epochs=1, batch_size=batch_size)
    with pytest.raises(InputError, match=r"recover\.train\.batch_size.*batches of one sample"):
        learn(lesson_of(network(), digits(samples=samples), training), folder())


def test_samples_left_over_make_no_small_batch(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    """33 samples in batches of 16: two batches, and none of one."""
    sizes: list[int] = []

    def watched(logits: Tensor, batch: Batch) -> Tensor:
        sizes.append(len(logits))
        return on_labels(logits, batch)

    training = Training(epochs=3, batch_size=16)
    lesson = lesson_of(network(), digits(samples=33), training)
    learn(replace(lesson, objective=watched), folder())
    assert sizes == [16] * 6


class HalfPrecise(Alone):
    """Computes as a company with a GPU does, on the processor."""

    def autocast(self) -> AbstractContextManager[None]:
        return torch.autocast("cpu", torch.bfloat16)


def test_in_half_precision_a_network_learns_and_its_weights_stay_whole(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    lesson = lesson_of(network(), digits(), TRAINING.model_copy(update={"epochs": 4}))
    whole, history = learn(lesson, folder("whole"))
    half, halved = learn(lesson, replace(folder("half"), company=HalfPrecise()))
    assert abs(halved.accuracies[-1] - history.accuracies[-1]) < 0.05
    assert not same(weights_of(whole), weights_of(half))
    assert {value.dtype for value in half.module.parameters()} == {torch.float32}
