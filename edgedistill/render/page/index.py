"""`index.html`: the targets of a run side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.verdict import worst
from edgedistill.render.page import row_figures as shown
from edgedistill.render.page.blocks import (
    Cell,
    Column,
    Paragraph,
    Plots,
    Section,
    Table,
    TableRow,
    figure,
)
from edgedistill.render.page.document import html
from edgedistill.render.wording import intervals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Report
    from edgedistill.core.verdict import Verdict
    from edgedistill.render.page.blocks import Plot

INDEX_FILE = "index.html"

_COMPARED = (
    *(shown.ACCURACY, shown.ACCURACY_LOST, shown.MEDIAN_LATENCY, shown.SPEED_UP),
    *(shown.SIZE, shown.PEAK_MEMORY, shown.ENERGY),
)
_DRAWN = (shown.ACCURACY, shown.MEDIAN_LATENCY, shown.SIZE)


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
                "beside each other here and are never pooled. "
                f"{intervals(_figures(results))}"
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
    present = [one for one in _COMPARED if one.told(rows)]
    heads = (
        Column("Device"),
        Column("Verdict"),
        *(Column(one.title, figures=True) for one in present),
    )
    body = tuple(
        TableRow(
            (
                Cell(report.target_title, note=_ships(report), link=links[report.target]),
                Cell(verdict.outcome.value, outcome=verdict.outcome),
                *(figure(one.take(report.shipped()), one.write) for one in present),
            )
        )
        for report, verdict in results
    )
    return Table("The devices of this run", heads, body, sortable=True, stacked=True)


def _figures(results: Sequence[tuple[Report, Verdict]]) -> Iterator[Quantity | None]:
    yield from (one.take(report.shipped()) for report, _ in results for one in _COMPARED)


def _ships(report: Report) -> str:
    row = report.shipped()
    student = "" if report.choice.student is None else f"{report.choice.student} "
    return f"{report.target}: {student}{row.step} ({row.variant or row.precision})"


def _plots(results: Sequence[tuple[Report, Verdict]]) -> Iterator[Plot]:
    """Some figures of all devices, where there is more than one."""
    named = [(report.target, report.shipped(), True) for report, _ in results]
    for one in _DRAWN if len(named) > 1 else ():
        plot = shown.bars_of(one, named, name="devices", what="Device")
        if plot is not None:
            yield plot
