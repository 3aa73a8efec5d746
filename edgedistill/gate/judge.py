"""The gate: a pure function from a report and a budget to a verdict with three outcomes.

PASS needs proof that the whole interval is inside the limit, FAIL that the whole interval is
outside; everything else, and whatever is missing, not a number or not measured as the budget asks,
is UNJUDGED and says what would settle it. A limit touched exactly is kept.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence
from edgedistill.core.verdict import Check, Outcome, Verdict
from edgedistill.gate.limits import ACCEPTED, ESTIMABLE, LIMITS, PROVE
from edgedistill.gate.wording import describe, more_samples

if TYPE_CHECKING:
    from edgedistill.core.budget import Budget
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Report, Row
    from edgedistill.gate.limits import Limit


def judge(report: Report, budget: Budget | None = None) -> Verdict:
    """Holds the model that ships against a budget.

    Args:
        report: The facts of one target.
        budget: The limits; the report's own where absent.

    Returns:
        One check for each limit that is set, in a fixed order. Without any limit there is no check,
        and the verdict is UNJUDGED.
    """
    limits = report.budget if budget is None else budget
    checks = []
    for limit in LIMITS:
        bound = getattr(limits, limit.budget)
        if bound is not None:
            checks.append(_check(report, limits, limit, bound))
    return Verdict(run=report.run, target=report.target, checks=tuple(checks))


def _check(report: Report, budget: Budget, limit: Limit, bound: float) -> Check:
    row = report.shipped()
    figure = limit.figure(row)
    if figure is None:
        return _unjudged(limit, bound, None, _missing(report, limit, row))
    doubt = _doubt(report, budget, limit, figure) or _not_a_number(bound, figure)
    if doubt:
        return _unjudged(limit, bound, figure, doubt)
    outcome = compare(figure, bound, at_least=limit.side == "at least")
    words = describe(figure, limit, bound)
    if outcome is Outcome.UNJUDGED:
        settle = PROVE[limit.kind] if _estimated(figure) else more_samples(figure, bound)
        return _unjudged(limit, bound, figure, f"{words}: the limit lies inside. {settle}")
    disturbed = limit.kind == "latency" and not (row.latency and row.latency.stable)
    if outcome is Outcome.FAIL and disturbed and not _estimated(figure):
        reason = (
            f"{words}: outside, but the machine was disturbed while measuring. "
            "Measure again when nothing else runs"
        )
        return _unjudged(limit, bound, figure, reason)
    place = "inside" if outcome is Outcome.PASS else "outside"
    return Check(limit.budget, bound, outcome, figure, f"{words}: the whole interval is {place}")


def compare(figure: Quantity, bound: float, *, at_least: bool = False) -> Outcome:
    """Where the figure's whole interval lies against a bound that may be touched.

    Anything that is not a finite, ordered interval is UNJUDGED: each outcome needs its own
    comparison to hold, and a comparison with NaN never holds.
    """
    if _not_a_number(bound, figure):
        return Outcome.UNJUDGED
    inside = figure.low >= bound if at_least else figure.high <= bound
    outside = figure.high < bound if at_least else figure.low > bound
    if inside:
        return Outcome.PASS
    return Outcome.FAIL if outside else Outcome.UNJUDGED


def _not_a_number(bound: float, figure: Quantity) -> str | None:
    if not math.isfinite(bound):
        return f"the limit {bound} is not a finite number. Correct the budget"
    ends = (figure.low, figure.value, figure.high)
    if not all(math.isfinite(end) for end in ends) or list(ends) != sorted(ends):
        return (
            f"the figure {figure.value} ({figure.low} to {figure.high}) is not a finite interval. "
            "Make the report again"
        )
    return None


def _doubt(report: Report, budget: Budget, limit: Limit, figure: Quantity) -> str | None:
    """Why the figure may not be used for this limit, or None where it may."""
    if limit.kind in ESTIMABLE and _estimated(figure):
        if budget.evidence == "estimated":
            return None
        return (
            f"the {limit.title} is estimated and the budget wants a measurement. Measure on "
            f"{report.target}, or set evidence: estimated in the budget"
        )
    if figure.evidence not in ACCEPTED[limit.kind]:
        return (
            f"the {limit.title} is {figure.evidence}, which proves nothing on {report.target}. "
            f"{PROVE[limit.kind]}"
        )
    if limit.kind != "latency":
        return None
    if report.conditions is None:
        return (
            "the report does not say under which conditions the latency was measured. Measure again"
        )
    if report.conditions.device != report.target:
        return f"the latency was measured on {report.conditions.device}. Measure on {report.target}"
    return None


def _missing(report: Report, limit: Limit, row: Row) -> str:
    if limit.kind == "latency" and row.latency is None:
        return (
            f"no latency was measured on {report.target} and none was estimated. "
            f"{PROVE[limit.kind]}"
        )
    if limit.kind == "latency" and row.latency and _estimated(row.latency.p50_ms):
        return (
            f"the report has no {limit.title}: an estimate speaks of the median only. "
            f"{PROVE[limit.kind]}, or set a limit on latency_p50_ms"
        )
    return f"the report has no {limit.title}. {limit.settle}"


def _estimated(figure: Quantity) -> bool:
    return figure.evidence == Evidence.ESTIMATED


def _unjudged(limit: Limit, bound: float, figure: Quantity | None, reason: str) -> Check:
    return Check(limit.budget, bound, Outcome.UNJUDGED, figure, reason[:1].upper() + reason[1:])
