"""What the compressed network does otherwise: by class, by group, answer by answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.page.blocks import (
    Column,
    Gallery,
    Paragraph,
    Plot,
    Plots,
    Section,
    Shown,
    Table,
    TableRow,
    columns,
    figure,
    number,
    text,
)
from edgedistill.render.page.plots.parts import MOST_PARTS, parts_plot
from edgedistill.render.page.sparkline import sparklines
from edgedistill.render.wording import intervals, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.damage import Damage, PartDamage
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Report
    from edgedistill.render.page.blocks import Block


def damage_section(report: Report) -> Section | None:
    """Everything that changed between the two networks; absent where nobody compared them."""
    if report.damage is None:
        return None
    return section_of_damage(report.damage, "What compression damaged")


def section_of_damage(found: Damage, title: str) -> Section:
    """The same of any two networks.

    Args:
        found: The facts.
        title: What stands above them.
    """
    blocks: list[Block] = [
        Paragraph(
            f"{found.after} against {found.before} on {found.samples:,} samples of the "
            f"{found.split} split. {intervals(_figures(found))}",
            lead=True,
        ),
        _answers(found),
        *_parts("class", "classes", found.classes, found),
        *_parts("group", "groups", found.groups, found),
        *_examples(found),
    ]
    return Section("damage", title, "Damage", tuple(blocks))


def _figures(found: Damage) -> Iterator[Quantity]:
    flipped = found.flipped
    yield from (flipped.changed, flipped.lost, flipped.gained)
    for part in (*found.classes, *found.groups):
        yield from (part.before, part.after)


def _answers(found: Damage) -> Table:
    """Flips and calibration: a row each, so that each figure has its interval."""
    flipped = found.flipped
    rows = [
        ("Answers changed, right or wrong", flipped.changed, figures.accuracy),
        ("Right before, wrong after", flipped.lost, figures.accuracy),
        ("Wrong before, right after", flipped.gained, figures.accuracy),
    ]
    if found.calibration_error is not None:
        error = found.calibration_error
        rows += [
            (f"Expected calibration error, {found.before}", error.before, figures.accuracy),
            (f"Expected calibration error, {found.after}", error.after, figures.accuracy),
        ]
    return Table(
        "Flipped answers and calibration",
        (Column("What"), Column("Figure", figures=True), Column("How it was got", wide=True)),
        tuple(
            TableRow((text(what), figure(quantity, write), text(quantity.method)))
            for what, quantity, write in rows
        ),
        stacked=True,
    )


def _parts(one: str, several: str, parts: tuple[PartDamage, ...], found: Damage) -> Iterator[Block]:
    """The worst drop in a sentence, the plot, and the table with all."""
    if not parts:
        return
    worst_first = sorted(parts, key=lambda part: -part.drop.value)
    worst = worst_first[0]
    yield Paragraph(
        f"{worst.name}: {figures.points(worst.drop)} lost, {figures.accuracy(worst.before)} before "
        f"and {figures.accuracy(worst.after)} after, on {worst.samples:,} samples.",
        strong=f"The worst {one}:",
    )
    drawn = worst_first[:MOST_PARTS]
    which = f"the {len(drawn)} that lost most" if len(drawn) < len(parts) else f"all {len(parts)}"
    told = (
        f"Accuracy of {several} before and after, {which}. The worst is {worst.name} with "
        f"{figures.points(worst.drop)} lost. The table below holds every one."
    )
    title = f"Accuracy per {one}, before and after ({which})"
    spec = parts_plot(worst_first, before=found.before, after=found.after)
    yield Plots((Plot(f"damage-{several}", title, told, spec),))
    rows = tuple(
        TableRow(
            (
                text(part.name),
                figure(part.before, figures.accuracy),
                figure(part.after, figures.accuracy),
                figure(part.drop, figures.points),
                number(part.samples),
            )
        )
        for part in worst_first
    )
    heads = columns("Before", "After", "Lost", "Samples", first=one.capitalize())
    yield Table(f"Every {one}, the worst drop first", heads, rows, sortable=True)
    method = worst.drop.method
    yield Paragraph(
        f"The intervals of what was lost hold for all {several} at once. {sentence(method)}."
    )


def _examples(found: Damage) -> Iterator[Block]:
    if not found.examples_in_all:
        yield Paragraph(f"There is no sample that only {found.after} gets wrong.")
        return
    yield Paragraph(
        f"{len(found.examples):,} of {found.examples_in_all:,} samples that were right before and "
        "are wrong after, the surest mistakes first.",
        strong=f"What only {found.after} gets wrong:",
    )
    shown = tuple(Shown(one, sparklines(one.content)) for one in found.examples)
    yield Gallery(after=found.after, shown=shown)
