"""A model's figures against a baseline's: ratios and differences with intervals.

Both figures have an interval, and nothing is known of how they depend on each other. So each is
taken at a confidence of 1 - alpha / 2, and the ratio or difference reaches from one pair of far
ends to the other: with a probability of 1 - alpha both hold, and then so does this (Bonferroni).
It claims less than a comparison of the same samples could. Latency is never compared that way:
machines drift, so both models have to be measured in the same rounds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgedistill.core.figure import Evidence, Figure
from edgedistill.core.limits import EVERY
from edgedistill.gate.case import Found
from edgedistill.gate.finding import estimated, evidence_doubt, own_figure
from edgedistill.gate.limits import ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.figures import Reference
    from edgedistill.core.limits import Form, Limit
    from edgedistill.gate.case import Case

_SAME_BYTES = frozenset({"accuracy", "size", "coverage", "parity"})
"""Kinds of figures that follow from the model's bytes and the data."""
_MEASURED = frozenset({"memory", "energy", "instructions"})
"""Kinds of which stored measurements are compared, under the same conditions only."""
_STRENGTH = (
    Evidence.COUNTED,
    Evidence.MEASURED_ON_DEVICE,
    Evidence.MEASURED_ON_STAND_IN,
    Evidence.EMULATED,
    Evidence.ESTIMATED,
)
"""What is made of two figures is as strong as the weaker."""


def relative_figure(case: Case, limit: Limit, each: float) -> Found:
    """The ratio or difference that a limit against a baseline is held against.

    Args:
        case: The model, and the baseline.
        limit: One of `RELATIVE`.
        each: The confidence that is asked of it.
    """
    baseline, target = case.baseline, case.figures.target
    if baseline is None:
        return Found(None, f"there is no baseline for {target}. Give one with --baseline")
    if baseline.target != target:
        return Found(
            None, f"the baseline is of {baseline.target}. Give one of {target} with --baseline"
        )
    if limit.kind == "latency":
        return _remeasured(case, limit)
    new, old = own_figure(case, EVERY[limit.of]), baseline.figures.get(limit.of)
    if new.figure is None or new.doubt:
        return Found(None, new.doubt)
    if old is None:
        return Found(None, f"the baseline has no {EVERY[limit.of].title}. {limit.settle}")
    doubt = evidence_doubt(case, EVERY[limit.of], old)
    doubt = doubt and f"in the baseline {doubt}"
    doubt = doubt or _unlike(case, baseline, limit)
    if doubt:
        return Found(None, doubt)
    return _compared(new.figure, old, limit, each, same=_same_model(case, baseline, limit))


def _remeasured(case: Case, limit: Limit) -> Found:
    """The ratio of latencies from rounds in which both took turns."""
    ratio = case.remeasured.get(limit.of)
    if ratio is None:
        return Found(
            None,
            case.not_remeasured
            or "milliseconds stored at another time prove no change. Judge where "
            f"{case.figures.target} is at hand and the baseline's model lies beside it, so that "
            "both are measured in the same rounds",
        )
    # Counted is the ratio of a model to itself.
    if ratio.evidence not in {*ACCEPTED["latency"], Evidence.COUNTED}:
        return Found(
            ratio,
            f"the {limit.title} is {ratio.evidence}, which proves nothing on "
            f"{case.figures.target}. Measure both in the same rounds on the device itself",
        )
    return Found(ratio)


def _unlike(case: Case, baseline: Reference, limit: Limit) -> str | None:
    """Why figures of model and baseline are not of the same thing, or None."""
    if limit.kind == "accuracy":
        known = case.figures.data_sha256, baseline.data_sha256
        if None not in known and known[0] != known[1]:
            return (
                "the baseline was judged on other data. Make the baseline again from a run on "
                "this data"
            )
        return None
    if limit.kind not in _MEASURED or estimated(case.figures.figures[limit.of]):
        return None
    ours, theirs = case.figures.conditions, baseline.conditions
    if ours is None or theirs is None:
        return "report or baseline does not say under which conditions it was measured"
    unlike = [name for name in ours if ours[name] != theirs.get(name)]
    if not unlike:
        return None
    told = ", ".join(f"{name} {theirs.get(name)} against {ours[name]}" for name in unlike)
    return (
        f"the baseline was measured under other conditions ({told}). Make the baseline again "
        "under these"
    )


def _same_model(case: Case, baseline: Reference, limit: Limit) -> bool:
    """Whether the figures cannot differ: the same bytes, judged on the same data."""
    return (
        limit.kind in _SAME_BYTES
        and case.figures.model_sha256 == baseline.model_sha256
        and case.figures.data_sha256 == baseline.data_sha256 is not None
    )


def _compared(new: Figure, old: Figure, limit: Limit, each: float, *, same: bool) -> Found:
    if same:
        exact = 1.0 if limit.form == "ratio" else 0.0
        return Found(
            replace(
                new,
                value=exact,
                low=exact,
                high=exact,
                confidence=1.0,
                method="the baseline is the same model, judged on the same data",
                wider=(),
            )
        )
    part = each if new.exact or old.exact else 1 - (1 - each) / 2
    own, other = (at_or_estimated(figure, part) for figure in (new, old))
    if own is None or other is None:
        whose, figure = ("report", new) if own is None else ("baseline", old)
        return Found(None, out_of_reach(figure, part, f"the {whose}'s {EVERY[limit.of].title}"))
    if limit.form == "ratio" and not min(old.value, other.low) > 0:
        return Found(
            None,
            f"the baseline's {EVERY[limit.of].title} may be 0, so there is no ratio. Set a limit "
            f"on {limit.of}",
        )
    value, low, high = _ENDS[limit.form](own, other)
    doubts = (1 - own.confidence) + (1 - other.confidence)
    return Found(
        Figure(
            value=value,
            low=low,
            high=high,
            confidence=max(1 - doubts, 0.0),
            evidence=max(own.evidence, other.evidence, key=_STRENGTH.index),
            samples=min(own.samples, other.samples),
            method=f"{limit.form} of two intervals, each from its own far end (Bonferroni)",
        )
    )


def _ratio(new: Figure, old: Figure) -> tuple[float, float, float]:
    low = new.low / (old.high if new.low >= 0 else old.low)
    high = new.high / (old.low if new.high >= 0 else old.high)
    return new.value / old.value, low, high


def _fall(new: Figure, old: Figure) -> tuple[float, float, float]:
    return old.value - new.value, old.low - new.high, old.high - new.low


def _rise(new: Figure, old: Figure) -> tuple[float, float, float]:
    return new.value - old.value, new.low - old.high, new.high - old.low


_ENDS: dict[Form, Callable[[Figure, Figure], tuple[float, float, float]]] = {
    "ratio": _ratio,
    "fall": _fall,
    "rise": _rise,
}


def at_or_estimated(figure: Figure, confidence: float) -> Figure | None:
    """The figure at a confidence; None where it does not reach it.

    An estimate that has no interval of that confidence is taken at its own: whoever lets an
    estimate stand for a measurement takes it as it is, and the check tells its confidence.
    """
    found = figure.at(confidence)
    return figure if found is None and estimated(figure) else found


def out_of_reach(figure: Figure, confidence: float, what: str) -> str:
    """Says that a figure has no interval of the confidence that is asked of it."""
    asked, held = f"{100 * confidence:.6g} %", f"{100 * figure.highest_confidence:.6g} %"
    settle = (
        "Take more samples"
        if figure.wider
        else "Make the report again with this edgedistill, which keeps wider intervals"
    )
    return (
        f"the checks of this gate hold together only if each holds at {asked}, and {what} has an "
        f"interval of at most {held}. {settle}, or judge fewer limits, or lower the confidence in "
        "the budgets file"
    )
