"""How sure a teacher is of each training sample, by its kept answers alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgedistill.core.labels import UNLABELLED
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from edgedistill.core.stage import Progress

_CHUNK_VALUES = 2**20
"""Probabilities in memory at once, of one view: memory stays flat in the number of samples."""


class AnswerSource(Protocol):
    """A teacher's kept answers on every view of every training sample."""

    @property
    def views(self) -> int:
        """How many views of each sample were asked."""

    @property
    def samples(self) -> int:
        """How many samples."""

    @property
    def classes(self) -> int:
        """How many classes an answer has."""

    def logits(self, views: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The answers on some samples, each in one view: float32 `[batch, classes]`.

        Args:
            views: Which view of each, int64 `[batch]`.
            indices: Which samples, int64 `[batch]`.
        """


@dataclass(frozen=True, eq=False)
class Scores:
    """What the teacher says of each of the `n` training samples."""

    columns: Mapping[str, np.ndarray]
    """By score, float32 `[n]` in 0 to 1; label_probability is NaN where there is no label."""
    verdicts: np.ndarray
    """Class of the highest mean probability over the views, int64 `[n]`."""
    contradicted: np.ndarray
    """Whether that probability is above the label's, bool `[n]`; False where there is no label."""
    views: int
    """Over how many views."""


def score(
    answers: AnswerSource,
    labels: np.ndarray,
    *,
    members: Sequence[AnswerSource] = (),
    progress: Progress,
) -> Scores:
    """Scores all samples, chunk by chunk.

    Args:
        answers: Of the teacher.
        labels: int64 `[n]`, UNLABELLED where there is none.
        members: Answers of each network of an ensemble; with two or more, member_agreement is
            among the scores.
        progress: Told of each chunk.

    Raises:
        InputError: If an answer is NaN or infinite, or not of the right shape.
    """
    size = len(labels)
    names = ["confidence", "margin", "label_probability", "view_agreement"]
    names += ["member_agreement"] if len(members) > 1 else []
    columns = {name: np.empty(size, np.float32) for name in names}
    verdicts, contradicted = np.empty(size, np.int64), np.empty(size, bool)
    chunk_size = max(1, _CHUNK_VALUES // answers.classes)
    with progress.track("scoring the samples", -(-size // chunk_size)) as advance:
        for start in range(0, size, chunk_size):
            chunk = slice(start, min(start + chunk_size, size))
            indices = np.arange(chunk.start, chunk.stop)
            of_chunk = _score_chunk(answers, indices, labels[chunk])
            verdicts[chunk], contradicted[chunk] = of_chunk.verdicts, of_chunk.contradicted
            for name, values in of_chunk.columns.items():
                columns[name][chunk] = values
            if "member_agreement" in columns:
                said = [_mean_probabilities(member, indices).argmax(axis=1) for member in members]
                agreeing = np.stack(said) == of_chunk.verdicts
                columns["member_agreement"][chunk] = agreeing.mean(axis=0)
            advance()
    return Scores(columns, verdicts, contradicted, answers.views)


def _score_chunk(answers: AnswerSource, indices: np.ndarray, labels: np.ndarray) -> Scores:
    """The scores of some samples `[batch]`."""
    confidence, margin = np.zeros(len(indices)), np.zeros(len(indices))
    mean, said = np.zeros((len(indices), answers.classes)), []
    for probabilities in _probabilities(answers, indices):
        highest = np.partition(probabilities, -2, axis=1)[:, -2:]
        confidence += highest[:, 1]
        margin += highest[:, 1] - highest[:, 0]
        mean += probabilities
        said.append(probabilities.argmax(axis=1))
    mean /= answers.views
    verdicts = mean.argmax(axis=1)
    labelled = labels != UNLABELLED
    of_label = mean[np.arange(len(indices)), np.where(labelled, labels, 0)]
    columns = {
        "confidence": confidence / answers.views,
        "margin": margin / answers.views,
        "label_probability": np.where(labelled, of_label, np.nan),
        "view_agreement": (np.stack(said) == verdicts).mean(axis=0),
    }
    contradicted = labelled & (of_label < mean.max(axis=1))
    return Scores(columns, verdicts, contradicted, answers.views)


def _mean_probabilities(answers: AnswerSource, indices: np.ndarray) -> np.ndarray:
    total = np.zeros((len(indices), answers.classes))
    for probabilities in _probabilities(answers, indices):
        total += probabilities
    return total / answers.views


def _probabilities(answers: AnswerSource, indices: np.ndarray) -> Iterator[np.ndarray]:
    """The softmax of the answers on one view after the other, float64 `[batch, classes]`."""
    for view in range(answers.views):
        logits = np.asarray(answers.logits(np.full(len(indices), view), indices), np.float64)
        _require_sound(logits, (len(indices), answers.classes), view, indices)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        yield powers / powers.sum(axis=1, keepdims=True)


def _require_sound(
    logits: np.ndarray, shape: tuple[int, int], view: int, indices: np.ndarray
) -> None:
    given = None
    if logits.shape != shape:
        given = f"shape {list(logits.shape)} instead of {list(shape)}"
    elif not (sound := np.isfinite(logits).all(axis=1)).all():
        first = int(indices[np.flatnonzero(~sound)[0]])
        given = f"NaN or infinity in view {view} of sample {first}"
    if given:
        raise InputError(
            Fault(
                field="answers",
                given=given,
                problem="the teacher's answers are unsound",
                remedy="Delete the step that asked the teacher and run again; where they come out "
                "so anew, check the teacher's weights",
            )
        )


def difficulty(scores: Scores, hidden: np.ndarray) -> np.ndarray:
    """How hard each sample is, for a curriculum: its rank, from 0 the easiest to 1 the hardest.

    Samples the teacher is surest of come first. Those whose label it contradicts come last, the
    surest contradictions at the very end; a hidden label is no label. Equal samples follow each
    other in an order that is spread over the data set and is the same each time.

    Args:
        scores: Of all `n` samples.
        hidden: Whose label is not used, bool `[n]`.

    Returns:
        float32 `[n]`.
    """
    confidence = scores.columns["confidence"]
    against = scores.contradicted & ~hidden
    order = np.lexsort((spread(len(hidden)), np.where(against, confidence, -confidence), against))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return np.asarray(ranks / max(1, len(order) - 1), dtype=np.float32)


def spread(size: int) -> np.ndarray:
    """Keys that put equals in an order in which each stretch comes from all over the data set.

    Multiples of the golden ratio, modulo 2^64 (Fibonacci hashing: Knuth, The Art of Computer
    Programming 3, section 6.4): all different, and the lowest of them lie evenly among the indices.
    A data set that is sorted by class would else lose one class first, since a sure teacher gives
    many samples the same probability: 1.

    Returns:
        uint64 `[size]`.
    """
    return np.arange(size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
