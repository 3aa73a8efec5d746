"""A model's outputs on every split that is evaluated, as one step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgedistill import tasks
from edgedistill.app.reach import transport
from edgedistill.bench.predict import LOGITS_FILE, Predicting
from edgedistill.core.stage import StageResult

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.profile import Runtime
    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset, Split


@dataclass(frozen=True)
class SplitPredictions:
    """Runs an ONNX file on the validation split, and on the test split where there is one."""

    model: Path
    dataset: Dataset
    device: str
    runtime: Runtime

    def run(self, context: StageContext) -> StageResult:
        """Writes one folder a split, each with the model's logits."""
        facts = {}
        for name, split in evaluated_splits(self.dataset).items():
            folder = context.folder / name
            folder.mkdir()
            predicting = Predicting(
                model=self.model,
                split=split,
                transport=transport(),
                device=self.device,
                runtime=self.runtime,
                threads=context.threads,
            )
            facts[name] = dict(predicting.run(replace(context, folder=folder)).facts)
        return StageResult(facts=facts)


def evaluated_splits(dataset: Dataset) -> dict[str, Split]:
    """The splits that models are evaluated on, by name."""
    splits = {"validation": dataset.validation, "test": dataset.test}
    return {name: split for name, split in splits.items() if split is not None}


def read_evaluation(folder: Path, name: str, dataset: Dataset) -> tasks.Evaluation:
    """How good stored outputs are on one split.

    Args:
        folder: Where `SplitPredictions` wrote.
        name: The split.
        dataset: The data the outputs are of.
    """
    split = evaluated_splits(dataset)[name]
    logits = np.load(folder / name / LOGITS_FILE, mmap_mode="r", allow_pickle=False)
    return tasks.evaluate(logits, split.labels, split.groups, dataset.class_names)
