"""What each cut takes: which samples, in which order, and how far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgedistill.core.labels import UNLABELLED
from edgedistill.errors import Fault, InputError
from edgedistill.stages.curate.scores import spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.curation import Curate, Cut, SuspectLabels
    from edgedistill.stages.curate.scores import Scores

Side = Literal["head", "tail"]
_FIELD = "stages.curate"
_STEP = Decimal("0.000001")


@dataclass(frozen=True, eq=False)
class Taking:
    """What one cut takes."""

    field: str
    """Where the cut stands in the recipe."""
    score: str
    """What it goes by."""
    setting: Literal["quantile", "threshold"]
    """The key that says how far it goes."""
    given: float
    """The value of that key."""
    order: np.ndarray
    """All samples that it could take, the first to go first, int64 `[m]`."""
    scores: np.ndarray
    """The score of each of them, float32 `[m]`."""
    count: int
    """How many of them it takes."""
    falling: bool = False
    """Whether the highest scores go first."""
    hides: bool = False
    """Takes the label only; the sample stays."""

    @property
    def taken(self) -> np.ndarray:
        """The samples that it takes, int64 `[count]`."""
        return self.order[: self.count]

    def setting_for(self, count: int) -> float:
        """The value of its key at which it takes `count` samples or a few less."""
        if self.setting == "quantile":
            exact, rounding = Decimal(count) / Decimal(len(self.order)), ROUND_FLOOR
        else:
            exact = Decimal(float(self.scores[count]))
            rounding = ROUND_CEILING if self.falling else ROUND_FLOOR
        return float(exact.quantize(_STEP, rounding=rounding))


def takings(config: Curate, scores: Scores, labels: np.ndarray) -> list[Taking]:
    """What each cut takes of all samples: head, then tail, then suspect labels.

    Each cut looks at all samples, whatever the others take, so their order matters only for who is
    said to have taken a sample. Suspect labels that are kept are no taking.

    Raises:
        InputError: If a cut goes by a score that there is not, with all faults at once.
    """
    faults = list(_missing_scores(config, scores, labels))
    if faults:
        raise InputError(*faults)
    found = [
        _taking(cut, f"{_FIELD}.{side}[{place}]", scores.columns[cut.score], side)
        for side, cuts in _sides(config)
        for place, cut in enumerate(cuts)
    ]
    if config.suspect_labels and config.suspect_labels.action != "keep":
        found.append(suspects(config.suspect_labels, scores, labels))
    return found


def suspects(config: SuspectLabels, scores: Scores, labels: np.ndarray) -> Taking:
    """The labels that the teacher contradicts, the least believable first.

    A label's score is the teacher's probability for it as a share of that probability's mean over
    all samples that bear it: t_j of equation 2 in Northcutt et al. 2021, arXiv 1911.00068.
    """
    probability = scores.columns["label_probability"].astype(np.float64)
    labelled = labels != UNLABELLED
    bearers = np.bincount(labels[labelled])
    sums = np.bincount(labels[labelled], weights=probability[labelled])
    means = np.maximum(sums / np.maximum(bearers, 1), np.finfo(np.float32).tiny)
    relative = np.full(len(labels), np.inf)
    relative[labelled] = probability[labelled] / means[labels[labelled]]
    order = np.flatnonzero(scores.contradicted)
    order = order[np.lexsort((spread(len(labels))[order], relative[order]))]
    return Taking(
        field=f"{_FIELD}.suspect_labels",
        score="label_probability over its class's mean",
        setting="threshold",
        given=config.threshold,
        order=order,
        scores=relative[order].astype(np.float32),
        count=int((relative[order].astype(np.float32) < config.threshold).sum()),
        hides=config.action == "hide",
    )


def _taking(cut: Cut, field: str, column: np.ndarray, side: Side) -> Taking:
    falling = side == "head"
    order = np.flatnonzero(~np.isnan(column))
    rising = -column[order] if falling else column[order]
    order = order[np.lexsort((spread(len(column))[order], rising))]
    values = column[order]
    setting: Literal["quantile", "threshold"]
    if cut.quantile is not None:
        setting, given = "quantile", cut.quantile
        count = share_of(cut.quantile, len(order))
    elif cut.threshold is not None:
        setting, given = "threshold", cut.threshold
        beyond = values > cut.threshold if falling else values < cut.threshold
        count = int(beyond.sum())
    else:
        raise ValueError("a cut is either a quantile or a threshold")
    return Taking(field, cut.score, setting, given, order, values, count, falling=falling)


def share_of(share: float, count: int) -> int:
    """A share of so many samples, rounded down; 0.29 is taken as 29/100, not as its float.

    >>> share_of(0.29, 100), int(0.29 * 100)
    (29, 28)
    """
    return math.floor(Fraction(repr(share)) * count)


def _sides(config: Curate) -> tuple[tuple[Side, tuple[Cut, ...]], ...]:
    return ("head", config.head), ("tail", config.tail)


def _missing_scores(config: Curate, scores: Scores, labels: np.ndarray) -> Iterator[Fault]:
    absent = {}
    if "member_agreement" not in scores.columns:
        absent["member_agreement"] = (
            "needs the answers of two or more members of an ensemble",
            "Use view_agreement or confidence, or give the answers of each member",
        )
    if bool((labels == UNLABELLED).all()):
        absent["label_probability"] = (
            "needs labels, and no training sample has one",
            "Use confidence, or raise data.splits.labelled",
        )
    if scores.views < 2:
        absent["view_agreement"] = (
            "needs two or more views of each sample",
            "Use confidence, or raise data.augmentation.views",
        )
    for side, cuts in _sides(config):
        for place, cut in enumerate(cuts):
            if cut.score in absent:
                problem, remedy = absent[cut.score]
                field = f"{_FIELD}.{side}[{place}].score"
                yield Fault(field=field, given=cut.score, problem=problem, remedy=remedy)
