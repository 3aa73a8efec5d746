"""Ways to ship, whether int8 is really int8, and what was tried to keep the accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.attempts import attempts_ending
from edgedistill.render.candidates import candidates_legend
from edgedistill.render.page.blocks import (
    Bullets,
    Cell,
    Column,
    Facts,
    Paragraph,
    Section,
    Table,
    TableRow,
    figure,
    number,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.attempts import Attempt, Attempts
    from edgedistill.core.report import Candidate, Int8Check, Report
    from edgedistill.render.page.blocks import Block

_CANDIDATES = (
    Column("Candidate"),
    Column("Accuracy", figures=True),
    Column("Keeps it"),
    Column("Median latency", figures=True),
    Column("Against fp32", figures=True),
    Column("Size", figures=True),
    Column("Why", wide=True),
)
_COVERAGE = (
    Column("Network"),
    Column("In int8", figures=True),
    Column("In float", figures=True),
    Column("Share of the work", figures=True),
    Column("Scheme"),
    Column("Seen"),
)
_IN_FLOAT = (Column("Operator"), Column("Why", wide=True))
_FALLEN_BACK = (
    Column("Fell back"),
    Column("To"),
    Column("Share of multiply-accumulates", figures=True),
    Column("Why", wide=True),
)


def int8_section(report: Report) -> Section | None:
    """Candidates, coverage, what stayed in float and why; absent where there is fp32 alone."""
    checks = tuple(_checks(report))
    blocks: list[Block] = []
    if report.candidates:
        rows = tuple(map(_candidate, report.candidates))
        blocks.append(Table("Every way to ship the last network", _CANDIDATES, rows, sortable=True))
        blocks.append(Paragraph(candidates_legend(report)))
        blocks += _not_made(report)
    if checks:
        rows = tuple(_coverage(name, check) for name, check in checks)
        blocks.append(Table("Is int8 really int8", _COVERAGE, rows))
        blocks.append(
            Paragraph(
                "Counted are heavy operators (Conv, Gemm, MatMul): in-runtime in the graph that "
                "the target's own runtime made of the file, unverified in the file alone."
            )
        )
    for name, check in checks:
        blocks += _in_float(name, check)
        if check.attempts is not None:
            blocks += _attempts(name, check.attempts)
    if not blocks:
        return None
    return Section("int8", "Is a smaller number worth it", "Int8", tuple(blocks))


def _checks(report: Report) -> Iterator[tuple[str, Int8Check]]:
    """Every candidate in int8; of a report without candidates the waterfall."""
    made = [one.row for one in report.candidates if one.row is not None]
    for row in made or report.rows:
        if row.int8 is not None:
            yield row.variant or row.step, row.int8


def _candidate(one: Candidate) -> TableRow:
    row = one.row
    if row is None:
        missing = (text(figures.ABSENT),) * 5
        return TableRow((text(one.name), *missing, text("not made, see below")))
    cells = (
        text(one.name),
        figure(row.accuracy, figures.accuracy),
        text("yes" if one.keeps_accuracy else "no"),
        figure(row.latency.p50_ms if row.latency else None, figures.milliseconds),
        figure(one.speedup, figures.factor),
        figure(row.size_mb, figures.megabytes),
        text(one.reason),
    )
    return TableRow(cells, ships=one.ships)


def _not_made(report: Report) -> Iterator[Block]:
    missing = [one for one in report.candidates if one.row is None]
    if missing:
        yield Paragraph("", strong="Not made:")
        yield Facts(tuple((one.name, one.reason) for one in missing))


def _coverage(name: str, check: Int8Check) -> TableRow:
    share = check.int8_mac_share
    cells = (
        text(name),
        number(check.int8_operators),
        number(check.float_operators),
        Cell(figures.ABSENT if share is None else f"{100 * share:.3g} %", sort=share),
        text(check.scheme),
        text(check.verified),
    )
    return TableRow(cells)


def _in_float(name: str, check: Int8Check) -> Iterator[Block]:
    if check.float_reasons:
        rows = tuple(
            TableRow((text(operator), text(reason)))
            for operator, reason in check.float_reasons.items()
        )
        yield Table(f"Stayed in float in {name}", _IN_FLOAT, rows, stacked=True)
    unexplained = tuple(one for one in check.float_names if one not in check.float_reasons)
    if unexplained:
        yield Paragraph("", strong=f"Stayed in float in {name}:")
        yield Bullets(unexplained)


def _attempts(name: str, attempts: Attempts) -> Iterator[Block]:
    if attempts.fallen_back:
        rows = tuple(
            TableRow(
                (
                    text(one.name),
                    text(one.to),
                    Cell(f"{100 * one.mac_share:.2g} %", sort=one.mac_share),
                    text(one.reason),
                )
            )
            for one in attempts.fallen_back
        )
        yield Table(f"Not in eight bits on purpose, in {name}", _FALLEN_BACK, rows)
    if len(attempts.tried) > 1:
        kept = attempts.figure_is.partition(" ")[0]  # accuracy, or agreement
        heads = (
            Column("Tried"),
            Column(attempts.figure_is[:1].upper() + attempts.figure_is[1:], figures=True),
            Column("Gain", figures=True),
            Column("Distance", figures=True),
            Column("Limits"),
            Column("Kept"),
        )
        caption = f"What was tried to keep the {kept} of {name}"
        yield Table(caption, heads, tuple(map(_attempt, attempts.tried)))
        yield Paragraph(attempts_ending(attempts))


def _attempt(attempt: Attempt) -> TableRow:
    name = text(attempt.way if not attempt.detail else f"{attempt.way}: {attempt.detail}")
    if attempt.figure is None or attempt.distance is None:
        return TableRow((name, *(text(figures.ABSENT),) * 4, text("no")))
    gain = attempt.gain
    return TableRow(
        (
            name,
            Cell(f"{100 * attempt.figure:.2f} %"),
            Cell(figures.ABSENT if gain is None else f"{100 * gain:+.2f} points"),
            Cell(f"{attempt.distance:.4f}"),
            text("kept" if attempt.holds else "broken"),
            text("yes" if attempt.kept else "no"),
        )
    )
