"""Classification: the loss on labels, and how good answers are, alone and against a teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.core.evidence import Evidence, Quantity, wider
from edgedistill.core.labels import UNLABELLED
from edgedistill.core.report import Worst
from edgedistill.tasks.evaluation import require_same_samples
from edgedistill.tasks.flips import flips
from edgedistill.tasks.intervals import agresti_min_interval, bonferroni, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from edgedistill.tasks.evaluation import Evaluation

_WILSON = "Wilson score interval (Wilson 1927)"
_PAIRED = "paired on the same samples, Wald+2 interval (Agresti & Min 2005)"


def label_loss(logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropy, the mean over the labelled samples of a batch.

    Args:
        logits: The network's answers, `[batch, classes]`.
        labels: The right classes, int64 `[batch]`; UNLABELLED samples count for nothing.
        label_smoothing: Share of the target spread over all classes
            (Szegedy et al. 2016, section 7).

    Returns:
        One value; 0, still with a gradient (of 0), where no sample is labelled.
    """
    from torch.nn import functional

    total = functional.cross_entropy(
        logits,
        labels,
        ignore_index=UNLABELLED,
        reduction="sum",
        label_smoothing=label_smoothing,
    )
    return total / (labels != UNLABELLED).sum().clamp(min=1)


def accuracy(
    evaluation: Evaluation,
    *,
    among: np.ndarray | None = None,
    confidence: float = 0.95,
    evidence: Evidence,
) -> Quantity:
    """The share of right answers with its Wilson interval, over all samples at every confidence.

    Args:
        evaluation: The answers.
        among: Mask `[n]` of the samples that count, at least one; None: all.
        confidence: Of the interval.
        evidence: How the answers were got.
    """
    correct = evaluation.correct if among is None else evaluation.correct[among]
    right, samples = int(correct.sum()), len(correct)
    found = share(right, samples, confidence=confidence, evidence=evidence, of="right answers")
    return _at_all(found, right) if among is None else found


def agreement(
    before: Evaluation, after: Evaluation, *, confidence: float = 0.95, evidence: Evidence
) -> Quantity:
    """The share of samples on which both give the same answer, right or wrong.

    Raises:
        ValueError: If the two were not evaluated on the same samples.
    """
    same = len(before) - flips(before, after).changed
    found = share(same, len(before), confidence=confidence, evidence=evidence, of="equal answers")
    return _at_all(found, same)


def accuracy_drop(
    before: Evaluation, after: Evaluation, *, confidence: float = 0.95, evidence: Evidence
) -> Quantity:
    """Accuracy before minus accuracy after, on the same samples; below 0 is a gain.

    Raises:
        ValueError: If the two were not evaluated on the same samples.
    """
    require_same_samples(before, after)
    everyone = np.ones(len(before), dtype=bool)
    return _drop(before, after, everyone, confidence=confidence, evidence=evidence)


def worst_class(
    before: Evaluation, after: Evaluation, *, confidence: float = 0.95, evidence: Evidence
) -> Worst | None:
    """The class that lost most accuracy, None where no class has a sample.

    The interval is for the largest drop of all classes: each class's own interval holds at a
    confidence raised by Bonferroni's rule, so all hold at once, and the largest drop lies between
    the highest of their lower and the highest of their upper bounds.

    Raises:
        ValueError: If the two were not evaluated on the same samples.
    """
    return _worst(before, after, dict(before.members_of_classes()), confidence, evidence)


def worst_group(
    before: Evaluation, after: Evaluation, *, confidence: float = 0.95, evidence: Evidence
) -> Worst | None:
    """The group that lost most accuracy, as `worst_class`; None where there are no groups.

    Raises:
        ValueError: If the two were not evaluated on the same samples.
    """
    return _worst(before, after, dict(before.members_of_groups()), confidence, evidence)


def drops_at_once(
    before: Evaluation,
    after: Evaluation,
    members: Mapping[str, np.ndarray],
    *,
    confidence: float = 0.95,
    evidence: Evidence,
) -> dict[str, Quantity]:
    """Accuracy lost by each of several parts of the samples; all intervals hold at once.

    Each part's own interval is taken at a confidence raised by Bonferroni's rule; `confidence` is
    that of all together.

    Args:
        before: The network compared with.
        after: The network judged.
        members: Name of each part to the mask `[n]` of its samples, at least one each.
        confidence: That all intervals hold.
        evidence: How the answers were got.

    Raises:
        ValueError: If the two were not evaluated on the same samples.
    """
    require_same_samples(before, after)
    return {
        name: _drop(
            before,
            after,
            mask,
            confidence=confidence,
            evidence=evidence,
            at_once=len(members),
        )
        for name, mask in members.items()
    }


def _worst(
    before: Evaluation,
    after: Evaluation,
    members: dict[str, np.ndarray],
    confidence: float,
    evidence: Evidence,
) -> Worst | None:
    drops = drops_at_once(before, after, members, confidence=confidence, evidence=evidence)
    if not drops:
        return None
    name = max(drops, key=lambda name: drops[name].value)
    counts = [_counts(before, after, mask) for mask in members.values()]

    def largest(confidence: float) -> tuple[float, float]:
        each = bonferroni(confidence, len(counts))
        ends = [agresti_min_interval(*one, each) for one in counts]
        return max(low for low, _ in ends), max(high for _, high in ends)

    low, high = largest(confidence)
    changes: dict[str, Any] = {
        "low": low,
        "high": high,
        "wider": wider(low, high, confidence, largest),
    }
    return Worst(name=name, drop=Quantity.model_validate({**dict(drops[name]), **changes}))


def _counts(before: Evaluation, after: Evaluation, mask: np.ndarray) -> tuple[int, int, int]:
    """How many samples of a part were lost, how many gained, and how many there are."""
    was, now = before.correct[mask], after.correct[mask]
    return int((was & ~now).sum()), int((~was & now).sum()), len(was)


def _drop(
    before: Evaluation,
    after: Evaluation,
    mask: np.ndarray,
    *,
    confidence: float,
    evidence: Evidence,
    at_once: int | None = None,
) -> Quantity:
    lost, gained, samples = _counts(before, after, mask)
    each = bonferroni(confidence, at_once or 1)
    low, high = agresti_min_interval(lost, gained, samples, each)
    note = f", all {at_once} at once (Bonferroni)" if at_once else ""

    def ends(confidence: float) -> tuple[float, float]:
        return agresti_min_interval(lost, gained, samples, confidence)

    return Quantity(
        value=(lost - gained) / samples,
        low=low,
        high=high,
        confidence=confidence,
        evidence=evidence,
        samples=samples,
        method=f"difference of accuracies, {_PAIRED}{note}",
        # Of one part among many only the worst is judged, and it has its own.
        wider=() if at_once else wider(low, high, confidence, ends),
    )


def _at_all(figure: Quantity, successes: int) -> Quantity:
    """A share with its interval at higher confidences as well."""

    def ends(confidence: float) -> tuple[float, float]:
        return wilson_interval(successes, figure.samples, confidence)

    rungs = wider(figure.low, figure.high, figure.confidence, ends)
    return figure.model_copy(update={"wider": rungs})


def share(
    successes: int, trials: int, *, confidence: float = 0.95, evidence: Evidence, of: str
) -> Quantity:
    """The share of samples that are something, with its Wilson interval.

    Args:
        successes: How many are.
        trials: How many samples there are, at least one.
        confidence: Of the interval.
        evidence: How the answers were got.
        of: What the samples are, for the method.
    """
    low, high = wilson_interval(successes, trials, confidence)
    return Quantity(
        value=successes / trials,
        low=low,
        high=high,
        confidence=confidence,
        evidence=evidence,
        samples=trials,
        method=f"share of {of}, {_WILSON}",
    )
