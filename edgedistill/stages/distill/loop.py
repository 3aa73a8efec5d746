"""One training loop for all that learns here: from labels, from a teacher, after pruning."""

from __future__ import annotations

import copy
import math
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from edgedistill import models, tasks
from edgedistill.errors import Fault, InputError
from edgedistill.models.building import seeded
from edgedistill.stages.distill.checkpoint import Checkpoint, Reached
from edgedistill.stages.distill.feed import Feed, feed_of, select
from edgedistill.stages.distill.lesson import Batch, History, Lesson
from edgedistill.stages.distill.losses.layers import capture
from edgedistill.stages.distill.optimizer import optimizer_of
from edgedistill.stages.distill.reproducible import reproducible
from edgedistill.stages.distill.schedule import Order, one_cycle
from edgedistill.stages.distill.synchronized import synchronized

if TYPE_CHECKING:
    from torch import Tensor

    from edgedistill.core.stage import Advance, Company, StageContext
    from edgedistill.models import Network
    from edgedistill.stages.distill.losses.layers import Features

_EVALUATION_BATCH_SIZE = 256


def learn(lesson: Lesson, context: StageContext) -> tuple[Network, History]:
    """Trains a copy of the network and gives it with the weights of the last epoch, in eval mode.

    The same lesson, seed and threads give the same weights, bit for bit, on one processor class,
    also where a kill came between: with a folder for checkpoints it goes on after the last whole
    epoch. Several processes give what one would but for rounding: each takes its part of every
    batch, and the loss is that of the whole batch. The validation split is watched, never used to
    pick.

    Raises:
        InputError: If the loss or an answer is no longer finite, a batch is too small or cannot be
            shared evenly.
    """
    order = _order(lesson, context)
    with reproducible(seed=context.seed, threads=context.threads), ExitStack() as stack:
        network = replace(lesson.network, module=copy.deepcopy(lesson.network.module))
        stack.enter_context(lesson.numbers(network.module))
        feed = feed_of(network, device=context.company.device)
        stack.enter_context(synchronized(network.module, context.company))
        features = stack.enter_context(capture(network.module, lesson.layers))
        classroom = _Classroom(lesson, order, feed, context, features)
        reached = classroom.start()
        total = order.steps * lesson.training.epochs
        with context.progress.track(lesson.title, total) as advance:
            advance(reached.epochs * order.steps)
            for epoch in range(reached.epochs, lesson.training.epochs):
                reached = classroom.epoch(reached, epoch, advance)
    network.module.eval()
    network.module.zero_grad(set_to_none=True)
    network.module.cpu()
    history = History(
        steps=total,
        samples=len(lesson.samples),
        losses=reached.losses,
        accuracy_before=reached.accuracy_before,
        accuracies=reached.accuracies,
    )
    return network, history


class _Classroom:
    """A network on its way through a lesson."""

    def __init__(
        self,
        lesson: Lesson,
        order: Order,
        feed: Feed,
        context: StageContext,
        features: Features,
    ) -> None:
        self.lesson = lesson
        self.order = order
        self.feed = feed
        self.seed = context.seed
        self.company = context.company
        self.features = features
        self.learners = {"network": feed.module}
        if lesson.companion is not None:
            self.learners["companion"] = lesson.companion.to(feed.device)
        self.optimizer = optimizer_of(nn.ModuleDict(self.learners), lesson.training)
        self.total_steps = order.steps * lesson.training.epochs
        self.checkpoint = None
        if context.checkpoint is not None:
            self.checkpoint = Checkpoint(context.checkpoint, self.learners, self.optimizer)

    def start(self) -> Reached:
        """Where the training goes on: after the last epoch on disk, else before the first."""
        found = None if self.checkpoint is None else self.checkpoint.restore()
        return found or Reached(0, self._accuracy(step=0), (), ())

    def epoch(self, reached: Reached, epoch: int, advance: Advance) -> Reached:
        """Takes every step of an epoch, and keeps where it ends."""
        self.feed.module.train()
        losses: list[float] = []
        with seeded(_epoch_seed(self.seed, epoch, self.company.rank)):
            for indices, views in self.order.epoch(epoch):
                step = epoch * self.order.steps + len(losses)
                loss = self._step(step, indices, views)
                if not math.isfinite(loss):
                    raise _diverged(self.lesson, step, f"the loss is {loss}")
                losses.append(loss)
                advance(note=f"loss {loss:.3f}")
        accuracy = self._accuracy(step=(epoch + 1) * self.order.steps)
        reached = Reached(
            epochs=epoch + 1,
            accuracy_before=reached.accuracy_before,
            losses=(*reached.losses, math.fsum(losses) / len(losses)),
            accuracies=(*reached.accuracies, accuracy),
        )
        if self.checkpoint is not None and self.company.rank == 0:
            self.checkpoint.write(reached)
        self.company.wait()
        return reached

    def _accuracy(self, *, step: int) -> float:
        """On the validation split; answers that are not finite are the training's fault."""
        split = self.lesson.dataset.validation
        batches = self.feed.answers(split, batch_size=_EVALUATION_BATCH_SIZE)
        answers = np.concatenate([logits for _, logits in batches])
        if step and not np.isfinite(answers).all():
            raise _diverged(self.lesson, step, "the network answers NaN or infinity")
        names = self.lesson.dataset.class_names
        return tasks.evaluate(answers, split.labels, split.groups, names).accuracy

    def _step(self, step: int, indices: np.ndarray, views: np.ndarray) -> float:
        lesson, split, company = self.lesson, self.lesson.dataset.train, self.company
        for group in self.optimizer.param_groups:
            group["lr"] = one_cycle(step, self.total_steps, lesson.training.learning_rate)
        labels = torch.from_numpy(np.ascontiguousarray(split.labels[indices], dtype=np.int64))
        size = len(indices) // company.size
        mine = slice(company.rank * size, (company.rank + 1) * size)
        inputs = self.feed.tensors(select(split, indices[mine], views[mine]))
        with company.autocast():
            logits = models.logits(self.feed.module, inputs)
        features = {name: _whole(each, company) for name, each in self.features.items()}
        labels = labels.to(self.feed.device)
        batch = Batch(indices, views, labels, inputs, features, company.gather)
        loss = lesson.objective(_whole(logits.float(), company), batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._add_up_gradients()
        self.optimizer.step()
        self.features.clear()
        return float(loss.detach())

    def _add_up_gradients(self) -> None:
        """Each process knows the gradient through its own part of the batch; the sum is whole."""
        if self.company.size == 1:
            return
        for learner in self.learners.values():
            for parameter in learner.parameters():
                if parameter.requires_grad:
                    own = parameter.grad
                    own = torch.zeros_like(parameter) if own is None else own
                    parameter.grad = self.company.sum(own)


def _whole(part: Tensor, company: Company) -> Tensor:
    """The rows of all processes; a gradient flows into one's own."""
    if company.size == 1:
        return part
    rows, start = company.gather(part.detach()), company.rank * len(part)
    return torch.cat([rows[:start], part, rows[start + len(part) :]])


def _epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """What dropout draws from in an epoch: so that any epoch can be had without those before."""
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1, np.uint64)[0] >> 1)


def _order(lesson: Lesson, context: StageContext) -> Order:
    order = Order(
        samples=lesson.samples,
        batch_size=lesson.training.batch_size,
        views=lesson.dataset.train.views,
        seed=context.seed,
        pace=lesson.pace,
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
    if order.size % context.company.size:
        raise InputError(
            Fault(
                field=f"{lesson.recipe_key}.batch_size",
                given=str(order.size),
                problem=f"cannot be shared evenly by {context.company.size} processes",
                remedy=f"Give a multiple of {context.company.size}",
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
