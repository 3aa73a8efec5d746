"""Training on labels alone: how a teacher without weights comes to know something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill import tasks
from edgedistill.core.stage import StageResult
from edgedistill.stages.distill.lesson import Lesson
from edgedistill.stages.distill.loop import learn
from edgedistill.stages.distill.saving import save_proven
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from torch import Tensor

    from edgedistill.core.learning import Training
    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset
    from edgedistill.models import Network
    from edgedistill.stages.distill.lesson import Batch


@dataclass(frozen=True, eq=False)
class Train:
    """Trains a copy of a network on the labelled training samples and saves it."""

    network: Network
    dataset: Dataset
    training: Training
    title: str = "training on labels"
    recipe_key: str = "teacher.train"
    """Where `training` stands in the recipe, for errors."""

    def run(self, context: StageContext) -> StageResult:
        """Trains and saves.

        Raises:
            InputError: If no sample has a label, or the training falls apart.
        """
        labelled = np.flatnonzero(np.asarray(self.dataset.train.labels) != UNLABELLED)
        lesson = Lesson(
            network=self.network,
            dataset=self.dataset,
            training=self.training,
            samples=labelled,
            objective=self._loss,
            title=self.title,
            recipe_key=self.recipe_key,
        )
        network, history = learn(lesson, context)
        validation = self.dataset.validation
        save_proven(network, self.network, validation, context, stage="train")
        return StageResult({**history.facts(), "labelled": len(labelled)})

    def _loss(self, logits: Tensor, batch: Batch) -> Tensor:
        smoothing = self.training.label_smoothing
        return tasks.label_loss(logits, batch.labels, label_smoothing=smoothing)
