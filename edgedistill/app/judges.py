"""Who judges whether an int8 file keeps the accuracy: the target's budget.

A figure of the judge is the report's own: the file is run as the predictions of the report are,
on the whole validation split, and the limits are those of `app.accuracy_limits`. Where there are no
labels, the float model judges: `app.agreement`.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgedistill import tasks
from edgedistill.app.accuracy_limits import ACCURACY_LIMITS, broken_against
from edgedistill.app.asked_teacher import read_asked_evaluation
from edgedistill.app.predictions import read_evaluation
from edgedistill.app.reach import HOST, transport
from edgedistill.bench.predict import LOGITS_FILE, Predicting
from edgedistill.catalog.profiles import load
from edgedistill.core.evidence import Evidence
from edgedistill.core.judging import Judged
from edgedistill.core.stage import StageContext

if TYPE_CHECKING:
    from edgedistill.core.budget import Budget
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Worst
    from edgedistill.data import Dataset

JUDGING_CODE = ("app/accuracy_limits.py", "app/judges.py", "bench", "devices", "tasks", "worker.py")
"""The sources that a judgement by the budget follows from."""

VALIDATION = "validation"


@dataclass(frozen=True)
class BudgetJudge:
    """Judges by the accuracy limits of a target's budget, on the validation split.

    Attributes:
        dataset: The data.
        teacher: The teacher's answers on the validation split.
        fp32: Folder with the float network's stored outputs on the validation split.
        budget: The limits.
        threads: Threads of the runs, as of the step that stores predictions.
    """

    dataset: Dataset
    teacher: tasks.Evaluation
    fp32: Path
    budget: Budget
    threads: int

    @property
    def called(self) -> str:
        """What the figure is."""
        return "accuracy"

    def judge(self, model: Path) -> Judged:
        """Runs a file on the validation split.

        Raises:
            InputError: If it cannot be run.
            PromiseError: If its outputs are not finite.
        """
        with tempfile.TemporaryDirectory(dir=model.parent, prefix=".judged-") as folder:
            logits = self._predict(model, Path(folder))
        losses = _Losses(self.teacher, self._evaluate(logits))
        return Judged(
            figure=losses.accuracy.value,
            distance=_distance(logits, self._float_logits),
            broken=broken_against(losses, self._float_accuracy, self.budget),
        )

    @cached_property
    def _float_logits(self) -> np.ndarray:
        logits: np.ndarray = np.load(self.fp32 / LOGITS_FILE, mmap_mode="r", allow_pickle=False)
        return logits

    @cached_property
    def _float_accuracy(self) -> Quantity:
        return _Losses(self.teacher, self._evaluate(self._float_logits)).accuracy

    def _evaluate(self, logits: np.ndarray) -> tasks.Evaluation:
        split = self.dataset.validation
        return tasks.evaluate(logits, split.labels, split.groups, self.dataset.class_names)

    def _predict(self, model: Path, folder: Path) -> np.ndarray:
        host = load(HOST)
        Predicting(
            model=model,
            split=self.dataset.validation,
            transport=transport(),
            device=host.name,
            runtime=host.runtimes[host.default_runtime],
            threads=self.threads,
        ).run(StageContext(folder, threads=self.threads))
        logits: np.ndarray = np.load(folder / LOGITS_FILE, allow_pickle=False)
        return logits


@dataclass(frozen=True)
class Judging:
    """How the int8 files of one target will be judged, as far as it is known before a run.

    Attributes:
        budget: The target's.
        teacher_is_asked: Whether the teacher's answers are those of an endpoint.
        threads: Of the runs.
    """

    budget: Budget
    teacher_is_asked: bool
    threads: int

    @property
    def limits(self) -> dict[str, float | None]:
        """What of the budget the judge reads."""
        named: dict[str, float | None] = self.budget.model_dump(include=set(ACCURACY_LIMITS))
        return named

    def judge(self, *, teacher: Path, fp32: Path, dataset: Dataset) -> BudgetJudge:
        """The judge.

        Args:
            teacher: Folder of the step with the teacher's outputs.
            fp32: Folder of the step with the float network's outputs.
            dataset: The data.
        """
        read = read_asked_evaluation if self.teacher_is_asked else read_evaluation
        return BudgetJudge(
            dataset=dataset,
            teacher=read(teacher, VALIDATION, dataset),
            fp32=fp32 / VALIDATION,
            budget=self.budget,
            threads=self.threads,
        )


@dataclass(frozen=True)
class _Losses:
    """What `app.accuracy_limits` asks of a row."""

    teacher: tasks.Evaluation
    own: tasks.Evaluation

    @property
    def accuracy(self) -> Quantity:
        return tasks.accuracy(self.own, evidence=_SEEN)

    @property
    def accuracy_drop(self) -> Quantity:
        return tasks.accuracy_drop(self.teacher, self.own, evidence=_SEEN)

    @property
    def worst_class(self) -> Worst | None:
        return tasks.worst_class(self.teacher, self.own, evidence=_SEEN)

    @property
    def worst_group(self) -> Worst | None:
        return tasks.worst_group(self.teacher, self.own, evidence=_SEEN)


_SEEN = Evidence.MEASURED_ON_STAND_IN
"""Only the values count here, and no report shows these quantities."""


def _distance(logits: np.ndarray, reference: np.ndarray) -> float:
    """As `Judged.distance`; a network that says the same to all is measured by its size."""
    float_logits = np.asarray(reference, np.float64)
    scale = float(float_logits.std()) or math.sqrt(float((float_logits**2).mean())) or 1.0
    return math.sqrt(float(((logits - float_logits) ** 2).mean())) / scale
