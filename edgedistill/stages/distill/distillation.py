"""Distillation: a student learns from a teacher's kept answers, its layers, and from labels."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.stage import StageResult
from edgedistill.errors import Fault, InputError
from edgedistill.stages.distill.fake_quantization import fake_quantization
from edgedistill.stages.distill.folding import folded_norms
from edgedistill.stages.distill.lesson import Lesson
from edgedistill.stages.distill.loop import learn
from edgedistill.stages.distill.objective import FromAnswers, from_layers
from edgedistill.stages.distill.saving import save_proven
from edgedistill.stages.distill.schedule import Pace
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import nn

    from edgedistill.core.learning import Distill
    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset
    from edgedistill.models import Network
    from edgedistill.stages.distill.answers import KeptAnswers
    from edgedistill.stages.distill.lesson import Heart
    from edgedistill.stages.distill.rounded_numbers import Rounding


@dataclass(frozen=True, eq=False)
class Distillation:
    """Trains a copy of a student on a teacher's answers and saves it.

    Every training sample teaches, labelled or not, in the very view the teacher saw (Beyer et al.
    2022, arXiv 2106.05237). The answers are looked up, so a step costs what a step of plain
    training costs. Serves a fresh student, and a pruned network that recovers.
    """

    network: Network
    dataset: Dataset
    answers: KeptAnswers
    config: Distill
    heart: Heart | None = None
    """Which samples are learned, and which come first; None for all of them in no order."""
    teacher: Network | None = None
    """Needed where layers learn from layers: it runs at each step then."""
    rounding: Rounding | None = None
    """How the numbers of the network are rounded while it learns; None for not at all."""
    title: str = "learning from the teacher"
    recipe_key: str = "stages.distill"
    """Where `config` stands in the recipe, for errors; stages.prune.recover after pruning."""

    def run(self, context: StageContext) -> StageResult:
        """Distills and saves.

        Raises:
            InputError: If the answers are on other samples, a layer does not exist, or the
                training falls apart.
        """
        self._require_fitting_answers()
        dataset = visible(self.dataset, self.heart)
        labels = np.asarray(dataset.train.labels)
        samples = np.arange(len(labels)) if self.heart is None else self.heart.kept
        if self.config.alpha == 0 and not self.config.layers:
            samples = samples[labels[samples] != UNLABELLED]
        with ExitStack() as stack:
            objective = FromAnswers(self.answers, self.config)
            lesson = Lesson(
                network=self.network,
                dataset=dataset,
                training=self.config.train,
                samples=samples,
                objective=objective,
                title=self.title,
                recipe_key=f"{self.recipe_key}.train",
                pace=self._pace(samples),
                numbers=self._numbers,
            )
            if self.config.layers:
                layered = stack.enter_context(
                    from_layers(
                        objective,
                        self.network,
                        self._teacher(),
                        context,
                        recipe_key=self.recipe_key,
                    )
                )
                lesson = replace(
                    lesson,
                    objective=layered,
                    layers=layered.student_layers,
                    companion=layered.losses,
                )
            network, history = learn(lesson, context)
        save_proven(network, self.network, dataset.validation, context, stage="distill")
        labelled = int((labels[samples] != UNLABELLED).sum())
        return StageResult({**history.facts(), "labelled": labelled})

    def _numbers(self, module: nn.Module) -> AbstractContextManager[None]:
        if self.rounding is None:
            return nullcontext()
        folded = folded_norms(module, self.network.signature.zeros(batch=2))
        return fake_quantization(module, self.rounding, folded)

    def _pace(self, samples: np.ndarray) -> Pace | None:
        curriculum = self.config.curriculum
        if curriculum is None:
            return None
        if self.heart is None:
            raise ValueError("a curriculum needs to know how difficult each sample is")
        return Pace(
            difficulty=self.heart.difficulty[samples],
            start=curriculum.start,
            full_after=curriculum.full_by * self.config.train.epochs,
        )

    def _teacher(self) -> Network:
        if self.teacher is None:
            raise ValueError("layers that learn from layers need the teacher itself")
        return self.teacher

    def _require_fitting_answers(self) -> None:
        split, classes = self.dataset.train, self.network.signature.classes
        expected = (split.views, len(split), classes)
        found = (self.answers.views, self.answers.samples, self.answers.classes)
        if found != expected:
            raise InputError(
                Fault(
                    field="answers",
                    given=f"[views, samples, classes] {list(found)}",
                    problem=f"the teacher's answers do not fit data and student {list(expected)}",
                    remedy="Ask the teacher about this data set, and give the student as many "
                    "outputs as there are classes",
                )
            )


def visible(dataset: Dataset, heart: Heart | None) -> Dataset:
    """The data set with only the training labels that may be learned from."""
    if heart is None or not heart.hidden.any():
        return dataset
    labels = np.where(heart.hidden, UNLABELLED, dataset.train.labels)
    return replace(dataset, train=replace(dataset.train, labels=labels))
