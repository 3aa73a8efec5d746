"""What each step cost and gained, from the teacher to what ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence
from edgedistill.render import figures
from edgedistill.render.page.blocks import (
    Cell,
    Column,
    Facts,
    Paragraph,
    Plot,
    Plots,
    Section,
    Table,
    TableRow,
    columns,
    figure,
    text,
)
from edgedistill.render.page.plots.bars import Bar, bars_plot
from edgedistill.render.wording import DISTURBED, accuracy_legend, disturbed, latency_legends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Report, Row
    from edgedistill.render.page.blocks import Block

_MEANS = {
    Evidence.MEASURED_ON_DEVICE: "measured on the target itself",
    Evidence.MEASURED_ON_STAND_IN: "measured on another machine, in place of the target",
    Evidence.EMULATED: "run under an emulator of the target",
    Evidence.ESTIMATED: "calculated from what is known of the target, with an interval",
    Evidence.COUNTED: "exact by construction: bytes of a file, operations of a graph",
}
_Figure = tuple[str, "Callable[[Row], Quantity | None]", "Callable[[Quantity | None], str]"]
_FIGURES: tuple[_Figure, ...] = (
    ("Accuracy", lambda row: row.accuracy, figures.accuracy),
    (
        "Median latency",
        lambda row: row.latency.p50_ms if row.latency else None,
        figures.milliseconds,
    ),
    ("Speed-up", lambda row: row.latency.speedup if row.latency else None, figures.factor),
    ("Size", lambda row: row.size_mb, figures.megabytes),
    ("Peak memory", lambda row: row.peak_memory_mb, figures.megabytes),
    ("Energy", lambda row: row.energy_mj, figures.millijoules),
    ("Parity error", lambda row: row.parity_error, figures.plain),
    ("Instructions", lambda row: row.instructions, figures.count),
    ("MACs", lambda row: row.macs, figures.count),
    ("Parameters", lambda row: row.parameters, figures.count),
)
_DRAWN = {
    "Accuracy": ("%", 100.0),
    "Median latency": ("ms", 1.0),
    "Size": ("MB", 1.0),
    "Peak memory": ("MB", 1.0),
    "Energy": ("mJ", 1.0),
}
_AGAINST: tuple[_Figure, ...] = (
    ("Accuracy lost", lambda row: row.accuracy_drop, figures.points),
    ("Agrees with teacher", lambda row: row.agreement, figures.accuracy),
    (
        "90th percentile",
        lambda row: row.latency.p90_ms if row.latency else None,
        figures.milliseconds,
    ),
    (
        "95th percentile",
        lambda row: row.latency.p95_ms if row.latency else None,
        figures.milliseconds,
    ),
    ("Accuracy on test", lambda row: row.test_accuracy, figures.accuracy),
)


def waterfall_section(report: Report) -> Section:
    """The steps as plots and as tables, each figure with its interval and its evidence."""
    whose = "" if report.choice.student is None else f": {report.choice.student}"
    blocks: list[Block] = [
        Plots(tuple(_plots(report))),
        _table(report, "What each step cost and gained", _FIGURES),
        Facts(tuple(_evidence(report))),
        *(Paragraph(line) for line in (*accuracy_legend(report), *latency_legends(report))),
        *(
            [Paragraph("latencies are uncertain.", strong=f"{DISTURBED}:")]
            if disturbed(report)
            else []
        ),
        *_methods(report),
        _table(report, "Against the teacher, and slow runs", _AGAINST, worst=True),
        Paragraph(
            "Accuracy lost is the teacher's minus the model's on the same samples; the intervals "
            "of worst class and worst group hold for all of them at once. The test split decides "
            "nothing."
        ),
    ]
    title = f"What each step cost and gained{whose}"
    return Section("waterfall", title, "Steps", tuple(blocks))


def step_name(row: Row) -> str:
    """A step and what it computes with."""
    return f"{row.step} ({row.variant or row.precision or 'behind an endpoint'})"


def _plots(report: Report) -> Iterator[Plot]:
    for title, take, write in _FIGURES:
        if title not in _DRAWN:
            continue
        unit, scale = _DRAWN[title]
        bars = []
        for row in report.rows:
            quantity = take(row)
            if quantity is not None:
                ships = row.step == report.choice.step
                bars.append(Bar(step_name(row), quantity, write(quantity), ships))
        if bars:
            told = "; ".join(f"{bar.name}: {bar.written}" for bar in bars)
            name = f"waterfall-{title.lower().replace(' ', '-')}"
            spec = bars_plot(bars, unit=unit, scale=scale, from_zero=title != "Accuracy")
            yield Plot(name, f"{title} ({unit})", f"{title} of each step. {told}.", spec)


def _table(
    report: Report, caption: str, shown: tuple[_Figure, ...], *, worst: bool = False
) -> Table:
    present = [one for one in shown if any(one[1](row) is not None for row in report.rows)]
    heads = columns(*(title for title, _, _ in present), first="Step")
    if worst:
        heads += (Column("Worst class", figures=True), Column("Worst group", figures=True))
    rows = tuple(
        TableRow(
            (
                text(step_name(row)),
                *(figure(take(row), write) for _, take, write in present),
                *(_worst(row) if worst else ()),
            ),
            ships=row.step == report.choice.step,
        )
        for row in report.rows
    )
    return Table(caption, heads, rows)


def _worst(row: Row) -> Iterator[Cell]:
    for one in (row.worst_class, row.worst_group):
        if one is None:
            yield text(figures.ABSENT)
            continue
        drop = figure(one.drop, figures.points)
        yield Cell(f"{one.name}: {drop.text}", drop.note, drop.evidence)


def _evidence(report: Report) -> Iterator[tuple[str, str]]:
    """The labels that stand beside figures here, and what each means."""
    found = {
        quantity.evidence
        for row in report.rows
        for _, take, _ in (*_FIGURES, *_AGAINST)
        if (quantity := take(row)) is not None
    }
    yield from ((one.value, _MEANS[one]) for one in Evidence if one in found)


def _warning(report: Report) -> Iterator[Block]:
    if disturbed(report):
        yield Paragraph("latencies are uncertain.", strong=f"{DISTURBED}:")


def _methods(report: Report) -> Iterator[Block]:
    """How memory and energy were got, of the last row that has them."""
    rows = [row for row in report.rows if row.peak_memory_mb or row.energy_mj]
    for row in rows[-1:]:
        told = {
            "Peak memory": row.peak_memory_mb and row.peak_memory_mb.method,
            "Energy": row.energy_mj and row.energy_mj.method,
        }
        yield Facts(
            tuple((f"{what} of {step_name(row)}", how) for what, how in told.items() if how)
        )
