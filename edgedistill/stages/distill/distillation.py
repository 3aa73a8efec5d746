"""Distillation: a student learns from a teacher's kept answers, and from labels where there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgedistill.core.stage import StageResult
from edgedistill.errors import Fault, InputError
from edgedistill.stages.distill.loop import Lesson, learn
from edgedistill.stages.distill.losses import distillation_loss
from edgedistill.stages.distill.saving import save_proven
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from torch import Tensor

    from edgedistill.core.learning import Distill
    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset
    from edgedistill.models import Network
    from edgedistill.stages.distill.loop import Batch


@dataclass(frozen=True, eq=False)
class Distillation:
    """Trains a copy of a student on a teacher's answers and saves it.

    Every training sample teaches, labelled or not, in the very view the teacher saw (Beyer et al.
    2022, arXiv 2106.05237). The answers are looked up, so a step costs what a step of plain
    training costs. Serves a fresh student, and a pruned network that recovers.
    """

    network: Network
    dataset: Dataset
    answers: np.ndarray
    """The teacher's logits, float32 `[views, samples, classes]`, as `open_answers` gives them."""
    config: Distill
    title: str = "learning from the teacher"
    recipe_key: str = "stages.distill"
    """Where `config` stands in the recipe, for errors; stages.prune.recover after pruning."""

    def run(self, context: StageContext) -> StageResult:
        """Distills and saves.

        Raises:
            InputError: If the answers are on other samples, or the training falls apart.
        """
        self._require_fitting_answers()
        labelled = np.flatnonzero(np.asarray(self.dataset.train.labels) != UNLABELLED)
        teacher_speaks = self.config.alpha > 0
        lesson = Lesson(
            network=self.network,
            dataset=self.dataset,
            training=self.config.train,
            samples=np.arange(len(self.dataset.train)) if teacher_speaks else labelled,
            objective=self._loss,
            title=self.title,
            recipe_key=f"{self.recipe_key}.train",
        )
        network, history = learn(lesson, context)
        validation = self.dataset.validation
        save_proven(network, self.network, validation, context, stage="distill")
        return StageResult({**history.facts(), "labelled": len(labelled)})

    def _loss(self, logits: Tensor, batch: Batch) -> Tensor:
        looked_up = np.ascontiguousarray(self.answers[batch.views, batch.indices])
        return distillation_loss(
            logits,
            torch.from_numpy(looked_up),
            batch.labels,
            temperature=self.config.temperature,
            alpha=self.config.alpha,
            label_smoothing=self.config.train.label_smoothing,
        )

    def _require_fitting_answers(self) -> None:
        split, classes = self.dataset.train, self.network.signature.classes
        expected = (split.views, len(split), classes)
        if self.answers.shape != expected:
            raise InputError(
                Fault(
                    field="answers",
                    given=f"[views, samples, classes] {list(self.answers.shape)}",
                    problem=f"the teacher's answers do not fit data and student {list(expected)}",
                    remedy="Ask the teacher about this data set, and give the student as many "
                    "outputs as there are classes",
                )
            )
