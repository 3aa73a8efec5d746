"""From a batch to the loss of a student: the teacher's answers, its layers, and labels."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from edgedistill import models
from edgedistill.stages.distill.feed import evaluating, feed_of
from edgedistill.stages.distill.losses import answers_loss
from edgedistill.stages.distill.losses.layers import Features, LayerLosses, capture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from torch import Tensor

    from edgedistill.core.learning import Distill, LayerPair
    from edgedistill.core.stage import StageContext
    from edgedistill.models import Network
    from edgedistill.stages.distill.answers import KeptAnswers
    from edgedistill.stages.distill.feed import Feed
    from edgedistill.stages.distill.lesson import Batch


@dataclass(frozen=True, eq=False)
class FromAnswers:
    """The loss on a teacher's kept answers and on labels."""

    answers: KeptAnswers
    config: Distill

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        """The loss of answers `[batch, classes]`; kept ones are not even read at a weight of 0."""
        kept = logits.detach()
        if self.config.alpha > 0:
            looked_up = self.answers.logits(batch.views, batch.indices)
            kept = torch.from_numpy(looked_up).to(logits.device)
        return answers_loss(logits, kept, batch.labels, self.config)


@dataclass(frozen=True, eq=False)
class FromLayers:
    """The loss on the answers, and on what the teacher's layers say."""

    on_answers: FromAnswers
    losses: LayerLosses
    """Holds what brings the student's layers to the teacher's shape; it learns along."""
    student_layers: tuple[str, ...]
    teacher: Feed
    teacher_features: Features

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        """Both losses; the teacher runs on the batch, in evaluation mode and without a gradient."""
        with evaluating(self.teacher.module), torch.no_grad():
            models.logits(self.teacher.module, batch.inputs)
        taught = {name: batch.gather(each) for name, each in self.teacher_features.items()}
        layers: Tensor = self.losses(batch.features, taught)
        return self.on_answers(logits, batch) + layers


@contextmanager
def from_layers(
    on_answers: FromAnswers,
    student: Network,
    teacher: Network,
    context: StageContext,
    *,
    recipe_key: str,
) -> Iterator[FromLayers]:
    """The objective of a lesson in which layers learn from layers; the teacher listens meanwhile.

    Args:
        on_answers: What is learned beside.
        student: Whose layers learn.
        teacher: Whose layers they learn from.
        context: Of the lesson.
        recipe_key: Where the pairs of layers stand in the recipe, for errors.

    Raises:
        InputError: If a layer does not exist, or the shapes of a pair do not fit its method.
    """
    pairs = on_answers.config.layers
    learning = tuple(pair.student for pair in pairs)
    student_shapes = _shapes(student, pairs, side="student", recipe_key=recipe_key)
    feed = feed_of(teacher, device=context.company.device)
    names = tuple(pair.teacher for pair in pairs)
    with capture(feed.module, names, side="teacher", recipe_key=recipe_key) as taught:
        _call_once(feed)
        losses = LayerLosses(
            pairs, student_shapes, taught.shapes(), seed=context.seed, recipe_key=recipe_key
        )
        yield FromLayers(on_answers, losses, learning, feed, taught)


def require_layers(
    student: Network, teacher: Network, pairs: Sequence[LayerPair], *, recipe_key: str
) -> None:
    """Refuses pairs of layers that cannot teach, before anything is trained.

    Args:
        student: Whose layers are to learn.
        teacher: Whose layers they are to learn from, trained or not.
        pairs: What the recipe says.
        recipe_key: Where the pairs stand in the recipe, for errors.

    Raises:
        InputError: If a layer does not exist, or the shapes of a pair do not fit its method.
    """
    learned = _shapes(student, pairs, side="student", recipe_key=recipe_key)
    taught = _shapes(teacher, pairs, side="teacher", recipe_key=recipe_key)
    LayerLosses(pairs, learned, taught, seed=0, recipe_key=recipe_key)


def _shapes(
    network: Network,
    pairs: Sequence[LayerPair],
    *,
    side: Literal["student", "teacher"],
    recipe_key: str,
) -> dict[str, tuple[int, ...]]:
    """Shapes of what the named layers say, batch first, by name."""
    names = tuple(getattr(pair, side) for pair in pairs)
    with capture(network.module, names, side=side, recipe_key=recipe_key) as said:
        _call_once(feed_of(network))
        return said.shapes()


def _call_once(feed: Feed) -> None:
    zeros = feed.signature.zeros(batch=2)
    with evaluating(feed.module), torch.no_grad():
        models.logits(feed.module, {name: each.to(feed.device) for name, each in zeros.items()})
