"""The figure that a limit is held against, or the reason why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.figure import Evidence
from edgedistill.gate.case import Found
from edgedistill.gate.limits import ACCEPTED, ESTIMABLE, PROVE

if TYPE_CHECKING:
    from edgedistill.core.figure import Figure
    from edgedistill.core.limits import Limit
    from edgedistill.gate.case import Case


def own_figure(case: Case, limit: Limit) -> Found:
    """The model's own figure."""
    figure = case.figures.figures.get(limit.of)
    if figure is None:
        return Found(None, _missing(case, limit))
    return Found(figure, evidence_doubt(case, limit, figure) or _conditions_doubt(case, limit))


def evidence_doubt(case: Case, limit: Limit, figure: Figure) -> str | None:
    """Why a figure's evidence is not enough for a limit, or None where it is."""
    target = case.figures.target
    if limit.kind in ESTIMABLE and estimated(figure):
        if case.bounds.evidence == "estimated":
            return None
        return (
            f"the {limit.title} is estimated and the budget wants a measurement. Measure on "
            f"{target}, or set evidence: estimated in the budget"
        )
    if figure.evidence not in ACCEPTED[limit.kind]:
        return (
            f"the {limit.title} is {figure.evidence}, which proves nothing on {target}. "
            f"{PROVE[limit.kind]}"
        )
    return None


def _conditions_doubt(case: Case, limit: Limit) -> str | None:
    """Why a measured latency may not be of this target, or None."""
    measured = case.figures
    if limit.kind != "latency" or estimated(measured.figures[limit.of]):
        return None
    if measured.conditions is None:
        return (
            "the report does not say under which conditions the latency was measured. Measure again"
        )
    device = measured.conditions["device"]
    if device != measured.target:
        return f"the latency was measured on {device}. Measure on {measured.target}"
    return None


def _missing(case: Case, limit: Limit) -> str:
    median = case.figures.figures.get("latency_p50_ms")
    if limit.kind == "latency" and median is None:
        return (
            f"no latency was measured on {case.figures.target} and none was estimated. "
            f"{PROVE[limit.kind]}"
        )
    if limit.kind == "latency" and median is not None and estimated(median):
        return (
            f"the report has no {limit.title}: an estimate speaks of the median only. "
            f"{PROVE[limit.kind]}, or set a limit on latency_p50_ms"
        )
    return f"the report has no {limit.title}. {limit.settle}"


def estimated(figure: Figure) -> bool:
    """Whether nobody measured it."""
    return figure.evidence == Evidence.ESTIMATED
