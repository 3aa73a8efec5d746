"""The candidates of the last network as Markdown: what each costs, and why it ships or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence
from edgedistill.render import figures
from edgedistill.render.escaping import table, told

if TYPE_CHECKING:
    from edgedistill.core.report import Candidate, Report


def candidate_sections(report: Report) -> list[str]:
    """Every candidate beside the others; nothing where there is fp32 alone."""
    if not report.candidates:
        return []
    head = ("Candidate", "Accuracy", "Keeps it", "Median latency", "Against fp32", "Size", "Why")
    sections = [
        "## Is a smaller number worth it",
        table((*head,), (_cells(one) for one in report.candidates)),
        candidates_legend(report),
    ]
    missing = [one for one in report.candidates if one.row is None]
    if missing:
        lines = [f"- {told(one.name)}: {told(one.reason)}" for one in missing]
        sections += ["Not made:", "\n".join(lines)]
    return sections


def _cells(one: Candidate) -> tuple[str, ...]:
    row, name = one.row, told(one.name)
    if row is None:
        return (name, *[figures.ABSENT] * 5, "not made, see below")
    return (
        f"**{name}, ships**" if one.ships else name,
        figures.accuracy(row.accuracy),
        "yes" if one.keeps_accuracy else "**no**",
        figures.milliseconds(row.latency.p50_ms if row.latency else None),
        figures.factor(one.speedup),
        figures.megabytes(row.size_mb),
        told(one.reason),
    )


def candidates_legend(report: Report) -> str:
    """What the columns of the candidates mean, as plain text."""
    lead = (
        "All are of the same network. Keeps it: the budget's limits on accuracy, or, where it has "
        "none, at most two points less than fp32."
    )
    ratios = [one.speedup for one in report.candidates if one.speedup is not None]
    if not ratios:
        return f"{lead} Nothing tells here how fast one is against another."
    if ratios[0].evidence == Evidence.ESTIMATED:
        return f"{lead} Against fp32: by estimates, which know precisions but no schemes."
    return (
        f"{lead} Against fp32: how many times as fast, from interleaved rounds, with "
        f"{100 * ratios[0].confidence:.3g} % intervals, so that all comparisons hold at once with "
        "95 %."
    )
