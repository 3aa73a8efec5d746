"""`index.html`: the targets of a run side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.verdict import worst
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
from edgedistill.render.page.document import html
from edgedistill.render.page.plots.bars import Bar, bars_plot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Report, Row
    from edgedistill.core.verdict import Verdict

INDEX_FILE = "index.html"

_Figure = tuple[
    str, "Callable[[Row], Quantity | None]", "Callable[[Quantity | None], str]", str, float
]
_FIGURES: tuple[_Figure, ...] = (
    ("Accuracy", lambda row: row.accuracy, figures.accuracy, "%", 100),
    ("Accuracy lost", lambda row: row.accuracy_drop, figures.points, "points", 100),
    (
        "Median latency",
        lambda row: row.latency.p50_ms if row.latency else None,
        figures.milliseconds,
        "ms",
        1,
    ),
    (
        "Speed-up",
        lambda row: row.latency.speedup if row.latency else None,
        figures.factor,
        "x",
        1,
    ),
    ("Size", lambda row: row.size_mb, figures.megabytes, "MB", 1),
    ("Peak memory", lambda row: row.peak_memory_mb, figures.megabytes, "MB", 1),
    ("Energy", lambda row: row.energy_mj, figures.millijoules, "mJ", 1),
)
_DRAWN = ("Accuracy", "Median latency", "Size")


def index_page(results: Sequence[tuple[Report, Verdict]], *, links: Mapping[str, str]) -> str:
    """The targets of one run as one HTML file; the same bytes for the same facts.

    Args:
        results: Report and verdict of each target; one at least.
        links: Target to the address of its own page, as seen from this one.
    """
    drawn = tuple(_plots(results))
    section = Section(
        "devices",
        "What ships to each device",
        "Devices",
        (
            _table(results, links),
            *([Plots(drawn)] if drawn else []),
            Paragraph(
                "Each row is the model that ships to that device. Speed-up and accuracy lost are "
                "against the teacher on the same device. Latencies of unlike conditions stand "
                "beside each other here and are never pooled."
            ),
        ),
    )
    return html(
        "index.html.j2",
        sections=[section],
        run=results[0][0].run,
        outcome=worst([verdict.outcome for _, verdict in results]),
        summary=_summary(results),
    )


def _summary(results: Sequence[tuple[Report, Verdict]]) -> str:
    noun = "device" if len(results) == 1 else "devices"
    outcomes = [verdict.outcome.value for _, verdict in results]
    told = ", ".join(f"{outcomes.count(one)} {one}" for one in dict.fromkeys(sorted(outcomes)))
    return f"{len(results)} {noun}: {told}."


def _table(results: Sequence[tuple[Report, Verdict]], links: Mapping[str, str]) -> Table:
    rows = [report.shipped() for report, _ in results]
    present = [one for one in _FIGURES if any(one[1](row) is not None for row in rows)]
    heads = (
        Column("Device"),
        Column("Verdict"),
        *(Column(title, figures=True) for title, *_ in present),
        Column("Ships"),
    )
    body = tuple(
        TableRow(
            (
                Cell(report.target_title, note=report.target, link=links[report.target]),
                Cell(verdict.outcome.value, outcome=verdict.outcome),
                *(figure(take(report.shipped()), write) for _, take, write, *_ in present),
                text(_ships(report)),
            )
        )
        for report, verdict in results
    )
    return Table("The devices of this run", heads, body, sortable=True)


def _ships(report: Report) -> str:
    row = report.shipped()
    student = "" if report.choice.student is None else f"{report.choice.student} "
    return f"{student}{row.step} ({row.variant or row.precision})"


def _plots(results: Sequence[tuple[Report, Verdict]]) -> Iterator[Plot]:
    """A figure of all devices, where more than one has it."""
    for title, take, write, unit, scale in _FIGURES:
        bars = []
        for report, _ in results:
            quantity = take(report.shipped())
            if title in _DRAWN and quantity is not None:
                bars.append(Bar(report.target_title, quantity, write(quantity), ships=True))
        if len(bars) > 1:
            told = "; ".join(f"{bar.name}: {bar.written}" for bar in bars)
            name = f"devices-{title.lower().replace(' ', '-')}"
            spec = bars_plot(
                bars, unit=unit, scale=scale, from_zero=title != "Accuracy", what="Device"
            )
            yield Plot(name, f"{title} ({unit})", f"{title} on each device. {told}.", spec)
