"""What each step cost and gained, from the teacher to what ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence
from edgedistill.render import figures
from edgedistill.render.page import row_figures as shown
from edgedistill.render.page.blocks import (
    Cell,
    Column,
    Facts,
    Paragraph,
    Plots,
    Section,
    Table,
    TableRow,
    columns,
    figure,
    text,
)
from edgedistill.render.wording import (
    DISTURBED,
    accuracy_legend,
    disturbed,
    intervals,
    latency_legends,
    sentence,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgedistill.core.report import Report, Row, Worst
    from edgedistill.render.page.blocks import Block, Plot
    from edgedistill.render.page.row_figures import RowFigure

_MEANS = {
    Evidence.MEASURED_ON_DEVICE: "measured on the target itself",
    Evidence.MEASURED_ON_STAND_IN: "measured on another machine, in place of the target",
    Evidence.EMULATED: "run under an emulator of the target",
    Evidence.ESTIMATED: "calculated from what is known of the target, with an interval",
    Evidence.COUNTED: "exact by construction: bytes of a file, operations of a graph",
}
_DRAWN = (shown.ACCURACY, shown.MEDIAN_LATENCY, shown.SIZE, shown.PEAK_MEMORY, shown.ENERGY)
_STEPS = (
    *(shown.ACCURACY, shown.MEDIAN_LATENCY, shown.SPEED_UP),
    *(shown.SIZE, shown.PEAK_MEMORY, shown.ENERGY),
)
_NETWORK = (shown.MACS, shown.PARAMETERS, shown.INSTRUCTIONS, shown.PARITY_ERROR)
_AGAINST = (
    *(shown.ACCURACY_LOST, shown.AGREEMENT, shown.TEST_ACCURACY),
    *(shown.LATENCY_P90, shown.LATENCY_P95),
)

_WORST: tuple[tuple[str, Callable[[Row], Worst | None]], ...] = (
    ("Worst class", lambda row: row.worst_class),
    ("Worst group", lambda row: row.worst_group),
)


def waterfall_section(report: Report) -> Section:
    """The steps as plots and as tables, each figure with its interval and its evidence."""
    whose = "" if report.choice.student is None else f": {report.choice.student}"
    blocks: list[Block] = [
        Plots(tuple(_plots(report))),
        _table(report, "Accuracy and cost of each step", _STEPS),
        *_warning(report),
        Paragraph(intervals(one.take(row) for row in report.rows for one in _STEPS)),
        Facts(tuple(_evidence(report))),
        Facts(tuple(_methods(report)), title="How these figures were got"),
        _table(report, "Against the teacher, and slow runs", _AGAINST, worst=True),
        Paragraph(
            "Accuracy lost is the teacher's minus the model's on the same samples; the intervals "
            "of worst class and worst group hold for all of them at once. The test split decides "
            "nothing."
        ),
        _table(report, "The networks themselves", _NETWORK),
    ]
    title = f"What each step cost and gained{whose}"
    return Section("waterfall", title, "Steps", tuple(blocks))


def step_name(row: Row) -> str:
    """A step and what it computes with."""
    return f"{row.step} ({row.variant or row.precision or 'behind an endpoint'})"


def _plots(report: Report) -> Iterator[Plot]:
    named = [(step_name(row), row, row.step == report.choice.step) for row in report.rows]
    for one in _DRAWN:
        plot = shown.bars_of(one, named, name="waterfall", what="Step")
        if plot is not None:
            yield plot


def _table(
    report: Report, caption: str, wanted: tuple[RowFigure, ...], *, worst: bool = False
) -> Table:
    present = [one for one in wanted if one.told(report.rows)]
    heads = columns(*(one.title for one in present), first="Step")
    parts = [
        (title, take)
        for title, take in _WORST
        if worst and any(take(row) is not None for row in report.rows)
    ]
    heads += tuple(Column(title, figures=True) for title, _ in parts)
    rows = tuple(
        TableRow(
            (
                text(step_name(row)),
                *(figure(one.take(row), one.write) for one in present),
                *(_worst(take(row)) for _, take in parts),
            ),
            ships=row.step == report.choice.step,
        )
        for row in report.rows
    )
    return Table(caption, heads, rows)


def _worst(one: Worst | None) -> Cell:
    if one is None:
        return text(figures.ABSENT)
    drop = figure(one.drop, figures.points)
    return Cell(f"{one.name}: {drop.text}", drop.note, drop.evidence)


def _warning(report: Report) -> Iterator[Block]:
    if disturbed(report):
        yield Paragraph("latencies are uncertain.", strong=f"{DISTURBED}:")


def _evidence(report: Report) -> Iterator[tuple[str, str]]:
    """The labels that stand beside figures here, and what each means."""
    found = {
        quantity.evidence
        for row in report.rows
        for one in (*_STEPS, *_NETWORK, *_AGAINST)
        if (quantity := one.take(row)) is not None
    }
    yield from ((one.value, _MEANS[one]) for one in Evidence if one in found)


def _methods(report: Report) -> Iterator[tuple[str, str]]:
    """How the figures were got; of what depends on the network, of the last row that has it."""
    yield from (("Accuracy", line) for line in accuracy_legend(report))
    yield from (("Latency", line) for line in latency_legends(report))
    for one in (shown.SPEED_UP, shown.PEAK_MEMORY, shown.ENERGY, *_NETWORK):
        rows = [row for row in report.rows if one.take(row) is not None]
        for row in rows[-1:]:
            quantity = one.take(row)
            assert quantity is not None
            yield f"{one.title} of {step_name(row)}", f"{sentence(quantity.method)}."
