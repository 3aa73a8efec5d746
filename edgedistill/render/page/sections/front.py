"""Accuracy against latency: every network the run tried, and the front among them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.page.blocks import (
    Cell,
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

if TYPE_CHECKING:
    from edgedistill.core.report import Report
    from edgedistill.render.page.blocks import Block
    from edgedistill.render.page.networks import Network


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
        "better in one. Where a latency is neither measured nor estimated, multiply-accumulates "
        "stand for it."
    )
    blocks: list[Block] = [
        Paragraph(_sentence(drawn, cost), lead=True),
        Plots((Plot("front", title, _told(drawn, cost), front_plot(drawn, timed=is_timed)),)),
        _table(found),
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
    columns = (
        Column("Network"),
        Column("Accuracy", figures=True),
        Column("Median latency", figures=True),
        Column("Size", figures=True),
        Column("MACs", figures=True),
        Column("On the front"),
    )
    return Table("Every network that the run tried", columns, tuple(map(_row, found)), True)


def _row(one: Network) -> TableRow:
    row = one.row
    return TableRow(
        (
            text(one.name),
            figure(row.accuracy, figures.accuracy),
            figure(row.latency.p50_ms if row.latency else None, figures.milliseconds),
            figure(row.size_mb, figures.megabytes),
            figure(row.macs, figures.count),
            Cell("yes" if one.on_front else "no"),
        ),
        ships=one.ships,
    )
