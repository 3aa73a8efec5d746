"""The end of a run on a terminal: per target students, waterfall, candidates and verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedistill.core.verdict import Outcome
from edgedistill.render import figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Report, Row
    from edgedistill.core.verdict import Verdict

PLAIN_WIDTH = 160
"""Columns where the stream is no terminal, so that a log is not wrapped."""
WIDE_WIDTH = 120
"""From this many columns on, an interval stands beside its value, else below it."""
NARROW_WIDTH = 92
"""Below this many columns, the parameters are left out and columns stand close."""

_FIGURES = ("accuracy", "median latency", "speed-up", "size", "MACs", "parameters")
_STYLES = {Outcome.PASS: "bold green", Outcome.FAIL: "bold red", Outcome.UNJUDGED: "bold yellow"}


def show_reports(
    results: Iterable[tuple[Report, Verdict]], stream: TextIO, *, width: int | None = None
) -> None:
    """Prints the waterfall and the verdict of each target, before them the students if several.

    Args:
        results: Report and verdict of each target.
        stream: Where to print; colours only where it is a terminal.
        width: Columns; those of the terminal where absent.
    """
    console = _console(stream, width)
    for report, verdict in results:
        if report.students:
            console.print(_students(report, console.width))
        console.print(_waterfall(report, console.width))
        if report.candidates:
            console.print(_candidates(report, console.width))
        for style, line in _verdict_lines(verdict):
            console.print(_styled(line, style), soft_wrap=True)
        console.print(_styled(f"Ships: {_ships(report)}", ""), soft_wrap=True)
        console.print()


def _console(stream: TextIO, width: int | None) -> Any:
    from rich.console import Console

    if width is None and not stream.isatty():
        width = PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _styled(text: str, style: str) -> Any:
    from rich.text import Text

    return Text(_visible(text), style=style)


def _visible(text: str) -> str:
    """Text without the control characters that could steer a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _students(report: Report, columns: int) -> Any:
    table = _table(f"{report.target_title} · {report.run} · students", "", columns)
    _add_columns(table, "student", ["step", *_FIGURES[:2], "size", "MACs", "on front"])
    for one in report.students:
        row = one.shipped()
        accuracy, latency, _, size, macs, _ = _cells(row)
        cells = (one.choice.step, accuracy, latency, size, macs, figures.front(one))
        _add_row(table, one.name, cells, columns, ships=one.name == report.choice.student)
    return table


def _waterfall(report: Report, columns: int) -> Any:
    whose = "" if report.choice.student is None else f" · {report.choice.student}"
    title = f"{report.target_title} · {report.run} · {report.runtime}{whose}"
    table = _table(title, _rests_on(report), columns)
    heads = _FIGURES if columns >= NARROW_WIDTH else _FIGURES[:-1]
    _add_columns(table, "step", heads)
    for row in report.rows:
        ships = row.step == report.choice.step
        _add_row(table, row.variant or row.step, _cells(row)[: len(heads)], columns, ships=ships)
    return table


def _candidates(report: Report, columns: int) -> Any:
    """Every candidate of the last network, those that could not be made by name alone."""
    missing = [one.name for one in report.candidates if one.row is None]
    caption = f"not made: {', '.join(missing)} (why: report.md)" if missing else ""
    table = _table("ways to ship the last network", caption, columns)
    _add_columns(table, "candidate", ["accuracy", "keeps it", "median latency", "vs fp32", "size"])
    for one in report.candidates:
        if one.row is not None:
            accuracy, latency, _, size, *_ = _cells(one.row)
            keeps = "yes" if one.keeps_accuracy else "no"
            cells = (accuracy, keeps, latency, figures.factor(one.speedup), size)
            _add_row(table, one.name, cells, columns, ships=one.ships)
    return table


def _table(title: str, caption: str, columns: int) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(
        title=_styled(title, "bold"),
        title_justify="left",
        caption=_styled(caption, "") if caption else None,
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1 if columns >= NARROW_WIDTH else 0),
    )


def _add_columns(table: Any, name: str, heads: Sequence[str]) -> None:
    table.add_column(name, no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right")


def _add_row(table: Any, name: str, cells: tuple[str, ...], columns: int, *, ships: bool) -> None:
    if columns < WIDE_WIDTH:
        cells = tuple(cell.replace(" (", "\n(") for cell in cells)
    style = "bold" if ships else ""
    table.add_row(f"{'→' if ships else ' '} {_visible(name)}", *cells, style=style)


def _cells(row: Row) -> tuple[str, ...]:
    latency = row.latency
    return (
        figures.accuracy(row.accuracy),
        figures.milliseconds(latency.p50_ms if latency else None),
        figures.factor(latency.speedup if latency else None),
        figures.megabytes(row.size_mb),
        figures.count(row.macs),
        figures.count(row.parameters),
    )


def _rests_on(report: Report) -> str:
    """What accuracy and latency rest on; each kind of evidence is named once."""
    latencies = [row.latency for row in report.rows if row.latency]
    disturbed = not all(latency.stable for latency in latencies)
    accuracies = dict.fromkeys(row.accuracy.evidence.value for row in report.rows)
    kinds = dict.fromkeys(latency.p50_ms.evidence.value for latency in latencies)
    accuracy = f"accuracy: {', '.join(accuracies)}{_confidence(report.rows[0].accuracy)}"
    if not latencies:
        return f"{accuracy}; latency: none"
    return f"{accuracy}; latency: {', '.join(kinds)}{_confidence(latencies[0].p50_ms)}" + (
        " (disturbed)" if disturbed else ""
    )


def _confidence(figure: Quantity) -> str:
    return f" (intervals at {100 * figure.confidence:.3g} %)"


def _verdict_lines(verdict: Verdict) -> list[tuple[str, str]]:
    empty = "" if verdict.checks else ": there is nothing to judge, no budget is set"
    lines = [(_STYLES[verdict.outcome], f"{verdict.outcome:<8} {verdict.target}{empty}")]
    for check in verdict.checks:
        style = _STYLES[check.outcome].removeprefix("bold ")
        lines.append((style, f"  {check.outcome:<8} {check.budget}: {check.reason}"))
    return lines


def _ships(report: Report) -> str:
    undecided = "" if report.choice.decided else " (undecided)"
    return f"{report.choice.model}{undecided}: {report.choice.reason}"
