"""Feedback: a student's own errors are replayed, corrected by the teacher where it is sure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgedistill import tasks
from edgedistill.core.evidence import Evidence
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import plain
from edgedistill.stages.distill.distillation import visible
from edgedistill.stages.distill.feed import feed_of
from edgedistill.stages.distill.lesson import Lesson
from edgedistill.stages.distill.loop import learn
from edgedistill.stages.distill.objective import FromAnswers
from edgedistill.stages.distill.reproducible import reproducible
from edgedistill.stages.distill.saving import save_proven
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from edgedistill.core.learning import Distill, Feedback
    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset, Split
    from edgedistill.models import Network
    from edgedistill.stages.distill.answers import KeptAnswers
    from edgedistill.stages.distill.lesson import Heart, History

_BATCH_SIZE = 256
_DRAW = 7
"""Sets the draw of a round apart from the other draws of a seed."""


@dataclass(frozen=True, eq=False)
class Errors:
    """What a student gets wrong of the samples it learned from, in their own view."""

    corrected: np.ndarray
    """Where the teacher is sure, int64 `[n]`."""
    dropped: np.ndarray
    """Where it is not, int64 `[m]`."""
    contradicted: np.ndarray
    """Those of `corrected` whose label the teacher contradicts, int64 `[k]`."""


def find_errors(
    student: np.ndarray, teacher: np.ndarray, labels: np.ndarray, samples: np.ndarray, sure: float
) -> Errors:
    """A student's errors, parted by whether the teacher is sure.

    An error is an answer other than the label, or than the teacher's where there is no label.

    Args:
        student: Its choices, int64 `[samples]`.
        teacher: Its probabilities, float `[samples, classes]`.
        labels: int64 `[samples]`, UNLABELLED where there is none.
        samples: Which samples these are, int64 `[samples]`.
        sure: The teacher is sure where its highest probability is at least this.
    """
    choice = teacher.argmax(axis=1)
    right = np.where(labels == UNLABELLED, choice, labels)
    wrong, certain = student != right, teacher.max(axis=1) >= sure
    corrected = wrong & certain
    return Errors(
        corrected=samples[corrected],
        dropped=samples[wrong & ~certain],
        contradicted=samples[corrected & (choice != right)],
    )


@dataclass(frozen=True, eq=False)
class Replay:
    """One round of feedback: finds a student's errors, replays them and saves the student.

    Beside the errors the round has samples that the student has right, so that it does not forget
    them. What the round changed is in its facts, measured on the validation split.
    """

    network: Network
    """The student as it stands; it is copied, never changed."""
    dataset: Dataset
    answers: KeptAnswers
    config: Distill
    """As the student was distilled; its `feedback` says how the round goes."""
    feedback: Feedback
    number: int
    """Of the round, from 1."""
    heart: Heart | None = None
    """Which samples were learned; None for all."""
    recipe_key: str = "stages.distill.feedback"
    """Where `feedback` stands in the recipe, for errors."""

    def run(self, context: StageContext) -> StageResult:
        """Replays and saves.

        Raises:
            InputError: If the training falls apart.
        """
        dataset = visible(self.dataset, self.heart)
        before = _evaluation(self.network, dataset, context)
        errors = self._errors(dataset, context)
        samples = self._samples(errors, context.seed)
        labels = np.array(dataset.train.labels)
        labels[errors.contradicted] = UNLABELLED
        corrected = replace(dataset, train=replace(dataset.train, labels=labels))
        network, history = self._learn(corrected, errors, samples, context)
        save_proven(network, self.network, dataset.validation, context, stage="feedback")
        after = _evaluation(network, dataset, context)
        gained = tasks.accuracy_drop(after, before, evidence=Evidence.MEASURED_ON_STAND_IN)
        return StageResult(
            {
                "round": self.number,
                "errors": len(errors.corrected) + len(errors.dropped),
                "corrected": len(errors.corrected),
                "labels_contradicted": len(errors.contradicted),
                "dropped": len(errors.dropped),
                "corrected_by_class": self._by_class(errors.corrected),
                "dropped_by_class": self._by_class(errors.dropped),
                **({} if history is None else history.facts()),
                "validation_accuracy_before": before.accuracy,
                "validation_accuracy_after": after.accuracy,
                "accuracy_gain": plain(gained),
            }
        )

    def _errors(self, dataset: Dataset, context: StageContext) -> Errors:
        kept = np.arange(len(dataset.train)) if self.heart is None else self.heart.kept
        choices = _answers(self.network, dataset.train, context).argmax(axis=1)[kept]
        found: list[Errors] = []
        for start in range(0, len(kept), _BATCH_SIZE):
            part = slice(start, start + _BATCH_SIZE)
            samples = kept[part]
            logits = self.answers.logits(np.zeros(len(samples), np.int64), samples)
            labels = np.asarray(dataset.train.labels[samples])
            found.append(
                find_errors(choices[part], _softmax(logits), labels, samples, self.feedback.sure)
            )
        return Errors(
            *(
                np.concatenate([getattr(each, name) for each in found])
                for name in ("corrected", "dropped", "contradicted")
            )
        )

    def _samples(self, errors: Errors, seed: int) -> np.ndarray:
        """The errors that are replayed, and a draw from what the student has right."""
        everything = np.arange(len(self.dataset.train)) if self.heart is None else self.heart.kept
        wrong = np.concatenate([errors.corrected, errors.dropped])
        others = np.setdiff1d(everything, wrong)
        share = self.feedback.errors
        wanted = max(
            round(len(errors.corrected) * (1 - share) / share),
            self.feedback.train.batch_size - len(errors.corrected),
        )
        draw = np.random.default_rng([seed, _DRAW, self.number])
        drawn = draw.choice(others, size=min(wanted, len(others)), replace=False)
        return np.sort(np.concatenate([errors.corrected, drawn]))

    def _learn(
        self, dataset: Dataset, errors: Errors, samples: np.ndarray, context: StageContext
    ) -> tuple[Network, History | None]:
        """The student after the round; as it was where the teacher corrects nothing."""
        if len(errors.corrected) == 0:
            return self.network, None
        config = self.config.model_copy(update={"train": self.feedback.train})
        lesson = Lesson(
            network=self.network,
            dataset=dataset,
            training=config.train,
            samples=samples,
            objective=FromAnswers(self.answers, config),
            title=f"feedback, round {self.number}",
            recipe_key=f"{self.recipe_key}.train",
        )
        return learn(lesson, context)

    def _by_class(self, samples: np.ndarray) -> dict[str, int]:
        """How many of the samples the teacher takes for each class."""
        names = self.dataset.class_names
        counts = np.zeros(len(names), dtype=np.int64)
        for start in range(0, len(samples), _BATCH_SIZE):
            part = samples[start : start + _BATCH_SIZE]
            choices = self.answers.logits(np.zeros(len(part), np.int64), part).argmax(axis=1)
            counts += np.bincount(choices, minlength=len(names))
        return {name: int(count) for name, count in zip(names, counts, strict=True)}


def _answers(network: Network, split: Split, context: StageContext) -> np.ndarray:
    """What a network answers on each sample in its own view, float32 `[n, classes]`."""
    with reproducible(seed=context.seed, threads=context.threads):
        feed = feed_of(network, device=context.company.device)
        answers = [logits for _, logits in feed.answers(split, batch_size=_BATCH_SIZE)]
        network.module.cpu()
    return np.concatenate(answers)


def _evaluation(network: Network, dataset: Dataset, context: StageContext) -> tasks.Evaluation:
    split = dataset.validation
    answers = _answers(network, split, context)
    return tasks.evaluate(answers, split.labels, split.groups, dataset.class_names)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
