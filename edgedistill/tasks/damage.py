"""What one network does otherwise than another on the same labelled samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.damage import CalibrationError, Damage, Example, Flipped, PartDamage
from edgedistill.tasks.calibration_error import estimate_calibration_error
from edgedistill.tasks.classification import accuracy, drops_at_once, share
from edgedistill.tasks.flips import flips

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.damage import Content
    from edgedistill.core.evidence import Evidence
    from edgedistill.tasks.evaluation import Evaluation


@dataclass(frozen=True)
class Answered:
    """One of the two networks: what it is called and what it answered.

    Attributes:
        name: For instance teacher or int8.
        evaluation: Its answers on the samples.
        evidence: How they were got.
        probabilities: Whether its confidences are its own; false for a teacher that only names a
            class.
    """

    name: str
    evaluation: Evaluation
    evidence: Evidence
    probabilities: bool = True


def damage_between(
    before: Answered,
    after: Answered,
    *,
    split: str,
    show: Callable[[int], Content | None],
    examples: int,
) -> Damage:
    """The facts of what `after` does otherwise than `before`.

    Args:
        before: The network compared with.
        after: The network judged, on the same samples.
        split: What the samples are called, for instance validation.
        show: Gives the content of a sample by its place; asked of shown examples only.
        examples: How many examples are shown at most; 0 for none.

    Raises:
        ValueError: If the two were not evaluated on the same samples.
    """
    was, now = before.evaluation, after.evaluation
    changes = flips(was, now)
    shares = {
        "changed": (changes.changed, "changed answers"),
        "lost": (
            changes.lost,
            "answers that were right before and are wrong after (negative flip rate, Yan et al. "
            "2021, arXiv 2011.09161)",
        ),
        "gained": (changes.gained, "answers that were wrong before and are right after"),
    }
    return Damage(
        split=split,
        samples=len(was),
        before=before.name,
        after=after.name,
        flipped=Flipped(
            **{
                name: share(count, len(was), evidence=after.evidence, of=of)
                for name, (count, of) in shares.items()
            }
        ),
        classes=_parts(before, after, dict(was.members_of_classes())),
        groups=_parts(before, after, dict(was.members_of_groups())),
        calibration_error=_calibration_error(before, after),
        examples=tuple(
            _example(was, now, int(sample), show(int(sample)))
            for sample in _surest_mistakes(was, now)[:examples]
        ),
        examples_in_all=changes.lost,
    )


def _parts(
    before: Answered, after: Answered, members: dict[str, np.ndarray]
) -> tuple[PartDamage, ...]:
    was, now = before.evaluation, after.evaluation
    drops = drops_at_once(was, now, members, evidence=after.evidence)
    return tuple(
        PartDamage(
            name=name,
            samples=int(mask.sum()),
            before=accuracy(was, among=mask, evidence=before.evidence),
            after=accuracy(now, among=mask, evidence=after.evidence),
            drop=drops[name],
        )
        for name, mask in members.items()
    )


def _calibration_error(before: Answered, after: Answered) -> CalibrationError | None:
    if not (before.probabilities and after.probabilities):
        return None
    was, now = (
        estimate_calibration_error(
            one.evaluation.confidences, one.evaluation.correct, evidence=one.evidence
        )
        for one in (before, after)
    )
    return CalibrationError(before=was, after=now)


def _surest_mistakes(was: Evaluation, now: Evaluation) -> np.ndarray:
    """Samples that were right and are wrong, the surest first, else in their order."""
    lost = np.flatnonzero(was.correct & ~now.correct)
    return lost[np.argsort(-now.confidences[lost], kind="stable")]


def _example(was: Evaluation, now: Evaluation, sample: int, content: Content | None) -> Example:
    return Example(
        sample=sample,
        label=was.class_names[was.labels[sample]],
        group=None if was.groups is None else str(was.groups[sample]),
        before=was.class_names[was.predictions[sample]],
        before_probability=float(was.confidences[sample]),
        after=now.answer(sample),
        after_probability=float(now.confidences[sample]),
        content=content,
    )
