"""A network's answers beside the right ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.errors import PromiseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


NO_ANSWER = -1
"""Stands where a class would, of a sample to which no class was answered."""
_ROWS_AT_ONCE = 4096
"""Keeps memory flat where there are many classes and samples."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network's answers on labelled samples."""

    labels: np.ndarray
    """The right classes, int64 `[n]`."""
    predictions: np.ndarray
    """The answers, int64 `[n]`; NO_ANSWER is never right and agrees with no class."""
    confidences: np.ndarray
    """How probable the network calls its answer, float64 `[n]`, the highest of the softmax of its
    logits; 0 with NO_ANSWER."""
    groups: np.ndarray | None
    """The group of each sample, text `[n]`, where the source tells."""
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def correct(self) -> np.ndarray:
        """Which answers are right, bool `[n]`."""
        return np.asarray(self.predictions == self.labels)

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float(self.correct.mean())

    def answer(self, sample: int) -> str:
        """The name of the class answered to one sample; empty where none was."""
        place = int(self.predictions[sample])
        return "" if place == NO_ANSWER else self.class_names[place]

    def members_of_classes(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each class that has samples, with a mask `[n]` of them, in the order of the classes."""
        for index, name in enumerate(self.class_names):
            members = self.labels == index
            if members.any():
                yield name, members

    def members_of_groups(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each group with a mask `[n]` of its samples, in alphabetical order."""
        if self.groups is not None:
            for name in np.unique(self.groups):
                yield str(name), self.groups == name


def evaluate(
    logits: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None,
    class_names: Sequence[str],
    *,
    answered: np.ndarray | None = None,
) -> Evaluation:
    """Decodes answers and sets them beside the right ones.

    Args:
        logits: A network's answers, `[n, classes]`; the highest is its choice, the first of
            equals.
        labels: The right classes, `[n]`.
        groups: The group of each sample, `[n]`, or None.
        class_names: One name per class.
        answered: Which samples were answered at all, bool `[n]`; None: all.

    Raises:
        PromiseError: If an answer is NaN or infinite, or there is not one per class and sample.
        ValueError: If there is no sample, or labels or groups do not belong to these answers.
    """
    labels = np.asarray(labels, dtype=np.int64)
    if logits.shape != (len(labels), len(class_names)):
        raise PromiseError(
            stage="evaluation",
            promised=f"answers of shape {(len(labels), len(class_names))}",
            found=f"shape {logits.shape}",
            remedy="The network must give one logit per class for each sample",
        )
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken:
        raise PromiseError(
            stage="evaluation",
            promised="finite answers",
            found=f"NaN or infinity in the answers to {broken} of {len(labels)} samples",
            remedy="Lower the learning rate, or look for an overflow in the network",
        )
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= len(class_names):
        raise ValueError("every sample to evaluate on needs a label of a known class")
    if groups is not None and len(groups) != len(labels):
        raise ValueError(f"{len(groups)} groups for {len(labels)} samples")
    predictions, confidences = np.asarray(logits).argmax(axis=1).astype(np.int64), _sure(logits)
    if answered is not None:
        predictions = np.where(answered, predictions, NO_ANSWER)
        confidences = np.where(answered, confidences, 0.0)
    return Evaluation(
        labels=labels,
        predictions=predictions,
        confidences=confidences,
        groups=groups,
        class_names=tuple(class_names),
    )


def _sure(logits: np.ndarray) -> np.ndarray:
    """The highest probability of each row's softmax, float64 `[n]`; memory stays flat."""
    found = np.empty(len(logits))
    for start in range(0, len(logits), _ROWS_AT_ONCE):
        rows = np.asarray(logits[start : start + _ROWS_AT_ONCE], dtype=np.float64)
        below = rows - rows.max(axis=1, keepdims=True)
        found[start : start + len(rows)] = 1 / np.exp(below).sum(axis=1)
    return found


def require_same_samples(before: Evaluation, after: Evaluation) -> None:
    """Refuses evaluations that cannot be compared sample by sample.

    Raises:
        ValueError: If the two were not evaluated on the same samples.
    """
    if not np.array_equal(before.labels, after.labels):
        raise ValueError("the two evaluations are not on the same samples")
