"""One training loop for all that learns here: from labels, from a teacher, after pruning."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from edgedistill import tasks
from edgedistill.errors import Fault, InputError
from edgedistill.stages.distill.feed import Feed, feed_of, select
from edgedistill.stages.distill.optimizer import optimizer_of
from edgedistill.stages.distill.reproducible import reproducible
from edgedistill.stages.distill.schedule import Order, one_cycle

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from edgedistill.core.learning import Training
    from edgedistill.core.stage import Advance, StageContext
    from edgedistill.data import Dataset, Split
    from edgedistill.models import Network

_EVALUATION_BATCH_SIZE = 256


@dataclass(frozen=True, eq=False)
class Batch:
    """What an objective may know of a batch beside the network's answers."""

    indices: np.ndarray
    """Which training samples, int64 `[batch]`."""
    views: np.ndarray
    """Which view of each, int64 `[batch]`."""
    labels: Tensor
    """int64 `[batch]`, UNLABELLED where the label may not be used."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned, by whom, from which samples."""

    network: Network
    """Where the learning starts; it is copied, never changed."""
    dataset: Dataset
    training: Training
    samples: np.ndarray
    """Which training samples take part, int64 `[n]`."""
    objective: Callable[[Tensor, Batch], Tensor]
    """From logits `[batch, classes]` and the batch to the loss, one value."""
    title: str
    """What the progress bar says."""
    recipe_key: str
    """Where `training` stands in the recipe, for errors."""


@dataclass(frozen=True)
class History:
    """How a training went."""

    steps: int
    samples: int
    """How many training samples took part."""
    losses: tuple[float, ...]
    """Mean over the steps of each epoch."""
    accuracy_before: float
    """On the validation split, before the first step."""
    accuracies: tuple[float, ...]
    """On the validation split, after each epoch."""

    def facts(self) -> dict[str, Any]:
        """The history as plain JSON values."""
        return {
            "epochs": len(self.losses),
            "steps": self.steps,
            "samples": self.samples,
            "loss": list(self.losses),
            "validation_accuracy_before": self.accuracy_before,
            "validation_accuracy_after": self.accuracies[-1],
            "validation_accuracy": list(self.accuracies),
        }


def learn(lesson: Lesson, context: StageContext) -> tuple[Network, History]:
    """Trains a copy of the network and gives it with the weights of the last epoch, in eval mode.

    The same lesson, seed and threads give the same weights, bit for bit, on one processor class.
    The validation split is watched, never used to pick.

    Raises:
        InputError: If the loss or an answer is no longer finite, or a batch is too small.
    """
    order = _order(lesson, context.seed)
    with reproducible(seed=context.seed, threads=context.threads):
        network = replace(lesson.network, module=copy.deepcopy(lesson.network.module))
        classroom = _Classroom(lesson, order, feed_of(network))
        before = classroom.evaluate(lesson.dataset.validation).accuracy
        losses, accuracies = [], []
        total = order.steps * lesson.training.epochs
        with context.progress.track(lesson.title, total) as advance:
            for epoch in range(lesson.training.epochs):
                losses.append(classroom.epoch(epoch, advance))
                accuracies.append(classroom.evaluate_finite(epoch))
    network.module.eval()
    network.module.zero_grad(set_to_none=True)
    history = History(
        steps=total,
        samples=len(lesson.samples),
        losses=tuple(losses),
        accuracy_before=before,
        accuracies=tuple(accuracies),
    )
    return network, history


class _Classroom:
    """A network on its way through a lesson."""

    def __init__(self, lesson: Lesson, order: Order, feed: Feed) -> None:
        self.lesson = lesson
        self.order = order
        self.feed = feed
        self.optimizer = optimizer_of(feed.module, lesson.training)
        self.total_steps = order.steps * lesson.training.epochs

    def epoch(self, epoch: int, advance: Advance) -> float:
        """Takes every step of an epoch; gives the mean loss."""
        self.feed.module.train()
        losses: list[float] = []
        for indices, views in self.order.epoch(epoch):
            step = epoch * self.order.steps + len(losses)
            loss = self._step(step, indices, views)
            if not math.isfinite(loss):
                raise _diverged(self.lesson, step, f"the loss is {loss}")
            losses.append(loss)
            advance(note=f"loss {loss:.3f}")
        return math.fsum(losses) / len(losses)

    def evaluate(self, split: Split) -> tasks.Evaluation:
        """The network's answers as they stand, beside the right ones."""
        return _evaluation(self._answers(split), split, self.lesson.dataset.class_names)

    def evaluate_finite(self, epoch: int) -> float:
        """The validation accuracy after an epoch; not finite answers are the training's fault."""
        split = self.lesson.dataset.validation
        answers = self._answers(split)
        if not np.isfinite(answers).all():
            step = (epoch + 1) * self.order.steps
            raise _diverged(self.lesson, step, "the network answers NaN or infinity")
        return _evaluation(answers, split, self.lesson.dataset.class_names).accuracy

    def _step(self, step: int, indices: np.ndarray, views: np.ndarray) -> float:
        lesson, split = self.lesson, self.lesson.dataset.train
        for group in self.optimizer.param_groups:
            group["lr"] = one_cycle(step, self.total_steps, lesson.training.learning_rate)
        labels = torch.from_numpy(np.ascontiguousarray(split.labels[indices], dtype=np.int64))
        logits = self.feed.logits(select(split, indices, views))
        loss = lesson.objective(logits, Batch(indices, views, labels))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return float(loss.detach())

    def _answers(self, split: Split) -> np.ndarray:
        batches = self.feed.answers(split, batch_size=_EVALUATION_BATCH_SIZE)
        return np.concatenate([logits for _, logits in batches])


def _evaluation(answers: np.ndarray, split: Split, names: tuple[str, ...]) -> tasks.Evaluation:
    return tasks.evaluate(answers, split.labels, split.groups, names)


def _order(lesson: Lesson, seed: int) -> Order:
    order = Order(
        samples=lesson.samples,
        batch_size=lesson.training.batch_size,
        views=lesson.dataset.train.views,
        seed=seed,
    )
    if len(order.samples) == 0:
        raise InputError(
            Fault(
                field="data.splits.labelled",
                problem="there is no sample to learn from",
                remedy="Give labels to the training samples, or let a teacher answer (alpha above "
                "0)",
            )
        )
    normalizes = any(
        isinstance(part, nn.modules.batchnorm._BatchNorm)
        for part in lesson.network.module.modules()
    )
    if order.size == 1 and normalizes:
        raise InputError(
            Fault(
                field=f"{lesson.recipe_key}.batch_size",
                given=f"{lesson.training.batch_size} with {len(order.samples)} sample(s)",
                problem="batch normalization cannot learn from batches of one sample",
                remedy="Give a batch_size of at least 2, and at least 2 samples",
            )
        )
    return order


def _diverged(lesson: Lesson, step: int, what: str) -> InputError:
    if step == 0:
        return InputError(
            Fault(
                field=lesson.recipe_key,
                problem=f"training cannot begin: {what} before the first step",
                remedy="Check the network's weights and the preprocessing of the data",
            )
        )
    rate = lesson.training.learning_rate
    return InputError(
        Fault(
            field=f"{lesson.recipe_key}.learning_rate",
            given=f"{rate:g}",
            problem=f"training fell apart: {what} at step {step}",
            remedy=f"Give a smaller one, for instance {rate / 10:g}",
        )
    )
