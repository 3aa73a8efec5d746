"""Every network that a run tried for one target, each once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.core.front import costs, rows_on_front

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.report import Candidate, Choice, Report, Row


@dataclass(frozen=True)
class Network:
    """One network beside the others."""

    name: str
    """Student, where there are several, and step or candidate."""
    row: Row
    cost: float
    """Median latency in ms where all have one, else multiply-accumulates; NaN for a teacher behind
    an endpoint."""
    on_front: bool
    ships: bool


def networks(report: Report) -> tuple[Network, ...]:
    """Teacher, steps and candidates of every student, the teacher first."""
    named = list(_named(report))
    rows = [row for _, row, _ in named]
    return tuple(
        Network(name, row, cost, on_front, ships)
        for (name, row, ships), cost, on_front in zip(
            named, costs(rows), rows_on_front(rows), strict=True
        )
    )


def timed(report: Report) -> bool:
    """Whether the costs of `networks` are latencies."""
    return all(row.latency is not None for _, row, _ in _named(report) if row.has_file)


def _named(report: Report) -> Iterator[tuple[str, Row, bool]]:
    yield "teacher", report.rows[0], report.choice.step == "teacher"
    if not report.students:
        yield from _of_one("", report.rows[1:], report.candidates, report.choice, ships=True)
    for one in report.students:
        ships = one.name == report.choice.student
        yield from _of_one(f"{one.name} ", one.rows, one.candidates, one.choice, ships=ships)


def _of_one(
    lead: str,
    rows: tuple[Row, ...],
    candidates: tuple[Candidate, ...],
    choice: Choice,
    *,
    ships: bool,
) -> Iterator[tuple[str, Row, bool]]:
    """The steps, then those candidates that are no step of the waterfall."""
    for row in rows:
        kind = f" ({row.variant})" if row.variant and row.variant != row.step else ""
        yield f"{lead}{row.step}{kind}", row, ships and row.step == choice.step
    for one in candidates:
        if one.row is not None and one.row not in rows:
            yield f"{lead}{one.name}", one.row, ships and one.ships
