"""Accuracy against latency: every network the run tried, and the front among them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.page.blocks import (
    Column,
    Paragraph,
    Plot,
    Plots,
    Section,
    Table,
    TableRow,
    figure,
    text,
)
from edgedistill.render.page.networks import networks, timed
from edgedistill.render.page.plots.front import front_plot
from edgedistill.render.page.row_figures import ACCURACY, MACS, MEDIAN_LATENCY, SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.report import Report, Row
    from edgedistill.render.page.blocks import Block, Cell
    from edgedistill.render.page.networks import Network

_FIGURES = (ACCURACY, MEDIAN_LATENCY, SIZE, MACS)
_COLUMNS = (*(Column(one.title, figures=True) for one in _FIGURES), Column("On the front"))


def front_section(report: Report) -> Section:
    """The plot, the same as a table, and what the front is."""
    found = networks(report)
    drawn = [one for one in found if math.isfinite(one.cost)]
    is_timed = timed(report)
    cost = "median latency" if is_timed else "multiply-accumulates"
    title = f"Accuracy against {cost}"
    among = ", the teacher among them," if report.rows[0].has_file else ""
    legend = (
        f"On the front is what no network here{among} beats: at least as accurate and as fast, and "
        "better in one; the dashed line joins it. The ring marks what ships, crosses are the "
        "intervals. Where a latency is neither measured nor estimated, multiply-accumulates "
        "stand for it."
    )
    blocks: list[Block] = [
        Paragraph(_sentence(drawn, cost), lead=True),
        Plots((Plot("front", title, _told(drawn, cost), front_plot(drawn, timed=is_timed)),)),
        _table(found),
        *_students(report),
        Paragraph(legend),
    ]
    return Section("front", title, "Front", tuple(blocks))


def _sentence(drawn: list[Network], cost: str) -> str:
    on_front = [one.name for one in drawn if one.on_front]
    return (
        f"{len(drawn)} networks, of which {len(on_front)} on the front of accuracy and {cost}: "
        f"{', '.join(on_front)}."
    )


def _told(drawn: list[Network], cost: str) -> str:
    cheap = min(drawn, key=lambda one: one.cost)
    best = max(drawn, key=lambda one: one.row.accuracy.value)
    return (
        f"Accuracy against {cost} of {len(drawn)} networks. The cheapest is {cheap.name} with "
        f"{figures.accuracy(cheap.row.accuracy)}, the most accurate {best.name} with "
        f"{figures.accuracy(best.row.accuracy)}. The table below holds every point."
    )


def _table(found: tuple[Network, ...]) -> Table:
    columns = (Column("Network"), *_COLUMNS)
    rows = tuple(map(_row, found))
    return Table("Every network that the run tried", columns, rows, sortable=True)


def _students(report: Report) -> Iterator[Block]:
    """Every student as it would ship if it were alone, where there are several."""
    if report.students:
        columns = (Column("Student"), Column("Would ship"), *_COLUMNS)
        rows = tuple(
            TableRow(
                (
                    text(one.name),
                    text(one.shipped().variant or one.choice.step),
                    *_figures(one.shipped()),
                    text(figures.front(one)),
                ),
                ships=one.name == report.choice.student,
            )
            for one in report.students
        )
        yield Table("Students of the same teacher, each as if alone", columns, rows, sortable=True)


def _row(one: Network) -> TableRow:
    on_front = text("yes" if one.on_front else "no")
    return TableRow((text(one.name), *_figures(one.row), on_front), ships=one.ships)


def _figures(row: Row) -> tuple[Cell, ...]:
    return tuple(figure(one.take(row), one.write) for one in _FIGURES)
