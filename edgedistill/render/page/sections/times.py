"""Where the time goes, by class of operator."""

from __future__ import annotations

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
    number,
    text,
)
from edgedistill.render.page.plots.times import times_plot
from edgedistill.render.wording import intervals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.operator_times import OperatorTimes
    from edgedistill.core.report import Report
    from edgedistill.render.page.blocks import Block

_SLOWEST = (
    Column("Operator"),
    Column("Network"),
    Column("Type"),
    Column("Time", figures=True),
)


def times_section(report: Report) -> Section | None:
    """Every class of operator of every network whose times are known; absent where none is."""
    networks = report.operator_times
    if not networks:
        return None
    slowest = [_slowest(one) for one in networks]
    told = "Milliseconds of one inference by class of operator. " + " ".join(slowest)
    plot = Plot("times", "Time by class of operator", told, times_plot(networks))
    blocks: list[Block] = [
        Paragraph(" ".join(slowest), lead=True),
        Plots((plot,)),
        _table(networks),
        Paragraph(intervals(each.time_ms for one in networks for each in one.classes)),
        *(Paragraph(method) for method in dict.fromkeys(_methods(networks))),
        *_single(networks),
    ]
    return Section("times", "Where the time goes", "Time", tuple(blocks))


def _slowest(one: OperatorTimes) -> str:
    whole = sum(each.time_ms.value for each in one.classes)
    first = max(one.classes, key=lambda each: each.time_ms.value)
    share = f", {100 * first.time_ms.value / whole:.0f} % of all" if whole > 0 else ""
    return f"{one.network}: {first.operators} takes longest{share}."


def _table(networks: tuple[OperatorTimes, ...]) -> Table:
    columns = (
        Column("Operators"),
        Column("Network"),
        Column("Time", figures=True),
        Column("Share", figures=True),
        Column("How many", figures=True),
        Column("In int8", figures=True),
    )
    return Table("Time by class of operator", columns, tuple(_rows(networks)), sortable=True)


def _rows(networks: tuple[OperatorTimes, ...]) -> Iterator[TableRow]:
    for one in networks:
        whole = sum(each.time_ms.value for each in one.classes)
        for each in one.classes:
            share = 100 * each.time_ms.value / whole if whole > 0 else None
            yield TableRow(
                (
                    text(each.operators),
                    text(one.network),
                    figure(each.time_ms, figures.milliseconds),
                    Cell(figures.ABSENT if share is None else f"{share:.1f} %", sort=share),
                    number(each.count),
                    number(each.int8),
                )
            )


def _methods(networks: tuple[OperatorTimes, ...]) -> Iterator[str]:
    for one in networks:
        for each in one.classes:
            yield f"{one.network}: {each.time_ms.method}."


def _single(networks: tuple[OperatorTimes, ...]) -> Iterator[Block]:
    rows = tuple(
        TableRow((Cell(name), text(one.network), text(kind), Cell(f"{took:.4g} ms", sort=took)))
        for one in networks
        for name, kind, took in one.slowest
    )
    if rows:
        yield Table("The slowest single operators", _SLOWEST, rows, sortable=True)
