"""Where the time of networks goes, by class of operator, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.escaping import table, told

if TYPE_CHECKING:
    from edgedistill.core.operator_times import OperatorTimes
    from edgedistill.core.report import Report

_SLOWEST = 5
"""How many single operators a page of text shows; the report holds more."""


def operator_sections(report: Report) -> list[str]:
    """One table a network; none where nothing is known."""
    if not report.operator_times:
        return []
    sections = ["## Where the time goes"]
    for one in report.operator_times:
        sections += _network(one)
    of: dict[str, list[str]] = {}
    for one in report.operator_times:
        of.setdefault(one.classes[0].time_ms.method, []).append(told(one.network))
    return [*sections, *(f"Of {' and '.join(names)}: {told(text)}." for text, names in of.items())]


def _network(times: OperatorTimes) -> list[str]:
    together_ms = sum(one.time_ms.value for one in times.classes)
    head = ("Operators", "How many", "In int8", "Time", "Share", "Evidence")
    rows = [
        (
            one.operators,
            str(one.count),
            str(one.int8),
            figures.milliseconds(one.time_ms),
            f"{one.time_ms.value / together_ms:.0%}" if together_ms else figures.ABSENT,
            figures.evidence(one.time_ms),
        )
        for one in times.classes
    ]
    slow = [
        f"{told(name)} ({told(kind)}, {time_ms:.3g} ms)"
        for name, kind, time_ms in times.slowest[:_SLOWEST]
    ]
    return [
        f"### {told(times.network)}",
        table(head, rows),
        *([f"The slowest: {', '.join(slow)}."] if slow else []),
    ]
