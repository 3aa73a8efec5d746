"""The gate: a pure function from reports and budgets to verdicts with three outcomes.

PASS needs proof that the whole interval is inside the limit, FAIL that the whole interval is
outside; everything else, and whatever is missing, not a number or not measured as the budget asks,
is UNJUDGED and says what would settle it. A limit touched exactly is kept.

The confidence is that of the whole gate: with m checks on measured figures, over all targets, each
is judged by its interval at 1 - (1 - confidence) / m (Bonferroni), so that with the confidence no
measured interval misses. Figures that are exact need none of it. An estimate is a promise of a
cost model with a confidence of its own, which the check tells; it counts only where the budget
says that an estimate is enough.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgedistill.core.figure import Figure
from edgedistill.core.figures import Figures, figures_of, reference_of
from edgedistill.core.limits import EVERY, Bounds
from edgedistill.core.verdict import CONFIDENCE, Check, Outcome, Verdict
from edgedistill.gate.case import Case
from edgedistill.gate.finding import estimated, own_figure
from edgedistill.gate.limits import PROVE
from edgedistill.gate.relative import at_or_estimated, out_of_reach, relative_figure
from edgedistill.gate.wording import describe, more_samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.core.baseline import Baseline
    from edgedistill.core.budget import Budget
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.limits import Limit
    from edgedistill.core.report import Report


def judge(
    report: Report | Figures,
    budget: Budget | Bounds | None = None,
    *,
    baseline: Baseline | None = None,
    remeasured: Mapping[str, Quantity] | None = None,
    confidence: float = CONFIDENCE,
) -> Verdict:
    """Holds the model that ships against a budget.

    Args:
        report: The facts of one target.
        budget: The limits; the report's own where absent.
        baseline: What limits against a baseline are held against.
        remeasured: Limit on a percentile of latency (for instance latency_p50_ms) to the model's
            over the baseline's, from rounds on the device in which both took turns.
        confidence: That all checks hold at once.

    Returns:
        One check for each limit that is set, in a fixed order. Without any limit there is no check,
        and the verdict is UNJUDGED.
    """
    figures = report if isinstance(report, Figures) else figures_of(report)
    case = Case(
        figures=figures,
        bounds=figures.bounds if budget is None else Bounds.of(budget),
        baseline=None if baseline is None else reference_of(baseline),
        remeasured={name: Figure.of(ratio) for name, ratio in (remeasured or {}).items()},
    )
    return judge_all([case], confidence=confidence)[0]


def judge_all(cases: Sequence[Case], *, confidence: float = CONFIDENCE) -> tuple[Verdict, ...]:
    """Judges all targets of a gate, whose checks hold together at the confidence.

    Args:
        cases: One for each target.
        confidence: That all checks on measurements hold at once, between 0 and 1.
    """
    count = sum(_statistical(case, limit) for case in cases for limit in _limits(case))
    each = 1 - (1 - confidence) / max(count, 1)
    return tuple(
        Verdict(
            run=case.figures.run,
            target=case.figures.target,
            checks=tuple(_check(case, limit, each) for limit in _limits(case)),
            confidence=confidence,
            each=each,
            file=case.file,
        )
        for case in cases
    )


def _limits(case: Case) -> list[Limit]:
    return [limit for limit in EVERY.values() if limit.budget in case.bounds.limits]


def _statistical(case: Case, limit: Limit) -> bool:
    """Whether a check rests on a measured interval, and so may err by chance."""
    if limit.form == "value":
        figures = [case.figures.figures.get(limit.of)]
    elif limit.kind == "latency":
        figures = [case.remeasured.get(limit.of)]
    else:
        baseline = case.baseline.figures if case.baseline else {}
        figures = [case.figures.figures.get(limit.of), baseline.get(limit.of)]
    return any(figure and not figure.exact and not estimated(figure) for figure in figures)


def _check(case: Case, limit: Limit, each: float) -> Check:
    bound = case.bounds.limits[limit.budget]
    found = own_figure(case, limit) if limit.form == "value" else relative_figure(case, limit, each)
    doubt = found.doubt or _not_a_number(bound, found.figure)
    if doubt or found.figure is None:
        return _unjudged(case, limit, found.figure, doubt or limit.settle)
    held = at_or_estimated(found.figure, each)
    if held is None:
        reason = out_of_reach(found.figure, each, f"the {limit.title}")
        return _unjudged(case, limit, found.figure, reason)
    return _judged(case, limit, held)


def _judged(case: Case, limit: Limit, figure: Figure) -> Check:
    bound = case.bounds.limits[limit.budget]
    outcome = compare(figure, bound, at_least=limit.side == "at least")
    words = describe(figure, limit, bound)
    if outcome is Outcome.UNJUDGED:
        settle = PROVE[limit.kind] if estimated(figure) else more_samples(figure, bound)
        return _unjudged(case, limit, figure, f"{words}: the limit lies inside. {settle}")
    disturbed = limit.kind == "latency" and limit.form == "value" and not case.figures.stable
    if outcome is Outcome.FAIL and disturbed and not estimated(figure):
        reason = (
            f"{words}: outside, but the machine was disturbed while measuring. "
            "Measure again when nothing else runs"
        )
        return _unjudged(case, limit, figure, reason)
    place = "inside" if outcome is Outcome.PASS else "outside"
    return _made(case, limit, outcome, figure, f"{words}: the whole interval is {place}")


def compare(figure: Figure | Quantity, bound: float, *, at_least: bool = False) -> Outcome:
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


def _not_a_number(bound: float, figure: Figure | Quantity | None) -> str | None:
    if not math.isfinite(bound):
        return f"the limit {bound} is not a finite number. Correct the budget"
    if figure is not None and not Figure.of(figure).finite:
        return (
            f"the figure {figure.value} ({figure.low} to {figure.high}) is not a finite interval. "
            "Make the report again"
        )
    return None


def _unjudged(case: Case, limit: Limit, figure: Figure | None, reason: str) -> Check:
    return _made(case, limit, Outcome.UNJUDGED, figure, reason[:1].upper() + reason[1:])


def _made(case: Case, limit: Limit, outcome: Outcome, figure: Figure | None, reason: str) -> Check:
    return Check(
        budget=limit.budget,
        limit=case.bounds.limits[limit.budget],
        outcome=outcome,
        figure=figure,
        reason=reason,
        title=limit.title,
        unit=limit.unit,
        side=limit.side,
        warns=outcome is Outcome.UNJUDGED and limit.budget in case.bounds.warn,
    )
