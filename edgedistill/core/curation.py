"""Head, heart and tail: which training samples are worth learning, and what a cut may cost."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.learning import Fraction, Share
from edgedistill.core.strict import Strict

Score = Literal["confidence", "margin", "label_probability", "view_agreement", "member_agreement"]


class Cut(Strict):
    """Samples that go by one score: a share of them, or all beyond a value."""

    score: Score
    """confidence: the teacher's highest probability; margin: less its second highest;
    label_probability: what it gives the sample's own label (a sample without one is never cut by
    it); each the mean over the views. view_agreement: share of the views on which it says the same
    class as over all views together; member_agreement: share of an ensemble's members that say the
    same class as all together."""
    quantile: float | None = Field(default=None, gt=0, lt=1)
    """Share of the samples that have this score which goes, rounded down to whole samples. Where
    scores are equal, samples from all over the data set go, the same ones each time."""
    threshold: Fraction | None = None
    """In head samples with a score above it go, in tail those below it; one at the value stays."""

    @model_validator(mode="after")
    def _says_how_much(self) -> Self:
        if (self.quantile is None) == (self.threshold is None):
            raise ValueError(
                "a cut is either a quantile or a threshold. Give one of them: quantile, the share "
                "of samples that goes, or threshold, the score at which the cut is made"
            )
        return self


class SuspectLabels(Strict):
    """Labels that the teacher contradicts, which may be wrong.

    A label is suspect where the teacher says another class and gives the label less than a share
    of what it gives that label on average, over all samples that bear it. That average is the
    class's own threshold of confident learning (Northcutt et al. 2021, arXiv 1911.00068, equation
    2): a class that the teacher knows badly is judged by a lower bar than one it knows well. There
    it is the bar for the class that the teacher says; here for the label that it doubts, which
    finds more wrong labels and accuses fewer right ones (benchmarks/poisoned_labels.py).

    A teacher that was trained on the same labels, for long and without views, knows the wrong ones
    by heart and contradicts none of them: train it for few epochs, or give data.augmentation.views.
    """

    threshold: Share = 0.3
    """Share of the class's average below which a contradicted label is suspect; higher finds more
    wrong labels, and takes more right ones for wrong."""
    action: Literal["hide", "drop", "keep"] = "hide"
    """hide: the sample stays and is learned from the teacher alone; drop: it goes; keep: it is
    learned as it is, and only reported."""


class Curate(Strict):
    """Cuts head and tail off the training samples, so that only the heart is learned.

    The teacher's answers score each sample. Each cut is told with what it takes from each class and
    each group, and one that takes too much is refused: a model that fails one class or one group of
    people is a failed model. A sample counts to the class of its label, one without a label to the
    class that the teacher says. A hidden label counts like a sample that is gone.
    """

    head: tuple[Cut, ...] = Field(default=(), strict=False)
    """Cuts off the highest scores: samples so easy that they teach nothing more."""
    tail: tuple[Cut, ...] = Field(default=(), strict=False)
    """Cuts off the lowest scores: samples that the teacher itself doubts."""
    suspect_labels: SuspectLabels | None = SuspectLabels()
    """What is done about labels that the teacher contradicts; null believes all labels."""
    max_class_loss: Fraction = 0.5
    """Largest share of a class that all cuts together may take."""
    max_group_loss: Fraction = 0.5
    """Largest share of a group that all cuts together may take."""
    min_class_samples: int = Field(default=10, ge=1)
    """Fewest samples of a class that must be left where a cut takes from it."""
    min_group_samples: int = Field(default=1, ge=0)
    """Fewest samples of a group that must be left where a cut takes from it; 0 lets a group go."""
    max_skew: float = Field(default=2.0, ge=1)
    """Largest factor by which the share of a class, or of a group, in all samples may grow or
    shrink."""

    @model_validator(mode="after")
    def _leaves_a_heart(self) -> Self:
        for score in {cut.score for cut in self.head} & {cut.score for cut in self.tail}:
            head = [cut for cut in self.head if cut.score == score]
            tail = [cut for cut in self.tail if cut.score == score]
            if _largest(head, "quantile") + _largest(tail, "quantile") >= 1:
                raise ValueError(
                    f"head and tail cut off all samples by {score}. Lower one of the quantiles, so "
                    "that together they stay below 1"
                )
            above = min((cut.threshold for cut in head if cut.threshold is not None), default=1.0)
            if _largest(tail, "threshold") > above:
                raise ValueError(
                    f"head and tail cut off all samples by {score}. Set the threshold of tail to "
                    "that of head at most"
                )
        return self


def _largest(cuts: list[Cut], setting: Literal["quantile", "threshold"]) -> float:
    return max((getattr(cut, setting) or 0.0 for cut in cuts), default=0.0)
