"""How the networks learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.learning import accuracies, by_name, feedback_sentence
from edgedistill.render.page.blocks import (
    Cell,
    Column,
    Paragraph,
    Section,
    Table,
    TableRow,
    columns,
    figure,
    number,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgedistill.core.learned import Curation, LearningStep, Members
    from edgedistill.core.report import Report
    from edgedistill.render.page.blocks import Block

_CUTS = (
    Column("Cut"),
    Column("Took", figures=True),
    Column("By class", wide=True),
    Column("By group", wide=True),
)


def learning_section(report: Report) -> Section | None:
    """What each step of the learning did and changed; absent where nothing was learned."""
    if not report.learning:
        return None
    heads = columns("Samples", "With label", "Validation accuracy", "Gain", first="Step")
    rows = tuple(map(_row, report.learning))
    table = Table("Every step of the learning", heads, rows, stacked=True)
    blocks: list[Block] = [table]
    for step in report.learning:
        if step.feedback is not None:
            blocks.append(Paragraph(feedback_sentence(step.feedback), strong=f"{step.title}:"))
        if step.curation is not None:
            blocks += _curation(step.curation)
    return Section("learning", "How it learned", "Learning", tuple(blocks))


def _row(step: LearningStep) -> TableRow:
    counts = (step.samples, step.labelled)
    return TableRow(
        (
            text(step.title),
            *(text(figures.ABSENT) if count is None else number(count) for count in counts),
            Cell(accuracies(step.accuracy_before, step.accuracy_after)),
            figure(step.gain, figures.points),
        )
    )


def _curation(curation: Curation) -> Iterator[Block]:
    yield Paragraph(
        f"Curation kept {curation.kept:,} of {curation.samples:,} samples; the labels of "
        f"{curation.hidden:,} of them are not believed."
    )
    for kind, members in (("Class", curation.classes), ("Group", curation.groups)):
        if members:
            heads = columns("Samples", "Cut away", "Label hidden", "Left", "Skew", first=kind)
            caption = f"Curation by {kind.lower()}"
            yield Table(caption, heads, tuple(_members(members)), sortable=True)
    cuts = tuple(
        TableRow(
            (
                Cell(cut.field, code=True),
                number(cut.taken),
                text(by_name(cut.classes)),
                text(by_name(cut.groups)),
            )
        )
        for cut in curation.cuts
    )
    if cuts:
        yield Table("What each cut took", _CUTS, cuts)


def _members(members: Mapping[str, Members]) -> Iterator[TableRow]:
    for name, each in members.items():
        counts = (each.before, each.removed, each.hidden, each.left)
        skew = figures.ABSENT if each.skew is None else f"{each.skew:.2f}x"
        yield TableRow((text(name), *map(number, counts), Cell(skew, sort=each.skew)))
