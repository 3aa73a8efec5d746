"""The verdict against the budget, and the figures of what ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import quantity_of
from edgedistill.render import figures
from edgedistill.render.page import budgets
from edgedistill.render.page.blocks import (
    Cell,
    Column,
    Paragraph,
    Section,
    Table,
    TableRow,
    Tile,
    Tiles,
    figure,
    text,
)
from edgedistill.render.wording import sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Report
    from edgedistill.core.verdict import Check, Verdict
    from edgedistill.render.page.blocks import Block

_COLUMNS = (
    Column("Budget"),
    Column("Outcome"),
    Column("Limit", figures=True),
    Column("Figure", figures=True),
    Column("Why", wide=True),
)


def verdict_section(report: Report, verdict: Verdict) -> Section:
    """Each check with its figure, then what ships and why."""
    blocks: list[Block] = []
    if verdict.checks:
        rows = tuple(_row(check) for check in verdict.checks)
        caption = "Each limit of the budget and what it rests on"
        blocks.append(Table(caption, _COLUMNS, rows, stacked=True))
    else:
        blocks.append(Paragraph("There is nothing to judge, no budget is set."))
    blocks.append(Tiles(tuple(_tiles(report))))
    blocks.append(_ships(report))
    if verdict.checks:
        blocks.append(
            Paragraph(
                f"All checks hold together at {100 * verdict.confidence:.4g} % confidence, each "
                f"measured one at {100 * verdict.each:.4g} %."
            )
        )
    return Section("verdict", "Verdict against the budget", "Verdict", tuple(blocks))


def _row(check: Check) -> TableRow:
    return TableRow(
        (
            Cell(sentence(check.title) or check.budget, check.budget if check.title else ""),
            Cell(
                check.outcome.value, "only a warning" if check.warns else "", outcome=check.outcome
            ),
            Cell(budgets.limit(check), sort=check.limit),
            figure(quantity_of(check.figure), budgets.writer(check)),
            text(check.reason),
        )
    )


def _tiles(report: Report) -> list[Tile]:
    row = report.shipped()
    latency = row.latency
    asked: list[tuple[str, Quantity | None, Callable[[Quantity | None], str]]] = [
        ("Accuracy", row.accuracy, figures.accuracy),
        ("Lost against the teacher", row.accuracy_drop, figures.points),
        ("Median latency", latency.p50_ms if latency else None, figures.milliseconds),
        ("Speed-up over the teacher", latency.speedup if latency else None, figures.factor),
        ("Size", row.size_mb, figures.megabytes),
        ("Peak memory", row.peak_memory_mb, figures.megabytes),
        ("Energy of one inference", row.energy_mj, figures.millijoules),
    ]
    tiles = []
    for title, quantity, write in asked:
        if quantity is not None:
            cell = figure(quantity, write)
            tiles.append(Tile(title, cell.text, cell.note, cell.evidence))
    return tiles


def _ships(report: Report) -> Paragraph:
    choice = report.choice
    decided = "" if choice.decided else " (undecided)"
    student = "" if choice.student is None else f"student {choice.student}, "
    variant = f", as {choice.variant}" if choice.variant and report.candidates else ""
    words = f"{student}step {choice.step}{variant}{decided}: {choice.reason}"
    return Paragraph(words, strong=f"What ships: {choice.model},")
