"""`compare.html`: two models beside each other as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.page.blocks import (
    Bullets,
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
from edgedistill.render.page.document import html
from edgedistill.render.page.plots.bars import Bar, bars_plot
from edgedistill.render.page.sections.damage import section_of_damage
from edgedistill.render.wording import condition_facts, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgedistill.core.comparison import ComparedModel, Comparison
    from edgedistill.core.evidence import Quantity
    from edgedistill.render.page.blocks import Block

_Figure = tuple[
    str, "Callable[[ComparedModel], Quantity | None]", "Callable[[Quantity | None], str]"
]
_FIGURES: tuple[_Figure, ...] = (
    ("Accuracy", lambda one: one.accuracy, figures.accuracy),
    (
        "Median latency",
        lambda one: one.latency.p50_ms if one.latency else None,
        figures.milliseconds,
    ),
    ("Speed-up", lambda one: one.latency.speedup if one.latency else None, figures.factor),
    ("Size", lambda one: one.size_mb, figures.megabytes),
    ("MACs", lambda one: one.macs, figures.count),
    ("Parameters", lambda one: one.parameters, figures.count),
)
_DRAWN = {"Accuracy": ("%", 100.0), "Median latency": ("ms", 1.0), "Size": ("MB", 1.0)}
_MEANS = {
    "top-1": "the share of samples to which both give the same class",
    "signal": "the share of the variance of A's output that B keeps",
    "values": "the share of whole numbers that are the same",
}


def comparison_html(found: Comparison) -> str:
    """The comparison as one HTML file; the same bytes for the same facts."""
    damage = None if found.damage is None else section_of_damage(found.damage, "What changed")
    sections = (_models(found), _answers(found), damage, _rests_on(found))
    return html(
        "comparison.html.j2",
        sections=[section for section in sections if section is not None],
        found=found,
    )


def _models(found: Comparison) -> Section:
    present = [one for one in _FIGURES if any(one[1](model) is not None for model in found.models)]
    rows = tuple(
        TableRow((text(model.name), *(figure(take(model), write) for _, take, write in present)))
        for model in found.models
    )
    heads = columns(*(title for title, _, _ in present), first="Model")
    blocks: list[Block] = [
        Plots(tuple(_plots(found))),
        Table("What each keeps and costs", heads, rows),
        Paragraph("Speed-up is against A, from rounds in which both took turns."),
    ]
    if any(one.latency is not None and not one.latency.stable for one in found.models):
        blocks.append(
            Paragraph(
                "latencies are uncertain.", strong="The machine was disturbed while measuring:"
            )
        )
    return Section("models", "Both models", "Models", tuple(blocks))


def _plots(found: Comparison) -> Iterator[Plot]:
    for title, take, write in _FIGURES:
        if title not in _DRAWN:
            continue
        unit, scale = _DRAWN[title]
        bars = [
            Bar(model.name, quantity, write(quantity), ships=False)
            for model in found.models
            if (quantity := take(model)) is not None
        ]
        if bars:
            told = "; ".join(f"{bar.name}: {bar.written}" for bar in bars)
            name = f"models-{title.lower().replace(' ', '-')}"
            spec = bars_plot(bars, unit=unit, scale=scale, from_zero=title != "Accuracy")
            yield Plot(name, f"{title} ({unit})", f"{title} of both models. {told}.", spec)


def _answers(found: Comparison) -> Section:
    rows = [
        ("Agreement", found.agreement, figures.accuracy),
        ("Other answers", found.changed, figures.accuracy),
        ("Accuracy lost", found.accuracy_drop, figures.points),
    ]
    cells = [
        TableRow((text(what), figure(quantity, write), text(quantity.method)))
        for what, quantity, write in rows
        if quantity is not None
    ]
    if found.relative_error is not None:
        written = f"{100 * found.relative_error:.2g} %"
        method = (
            "root mean square of the difference from A's outputs over that of their spread, of the "
            "output where it is greatest"
        )
        error = Cell(written, sort=found.relative_error)
        cells.append(TableRow((text("Relative error"), error, text(method))))
    heads = (Column("What"), Column("Figure", figures=True), Column("How it was got", wide=True))
    blocks = (
        Paragraph(
            f"{found.samples.compared:,} samples, each asked of both. Agreement is "
            f"{_MEANS[found.agreement_kind]}.",
            lead=True,
        ),
        Table("What changed between them", heads, tuple(cells), stacked=True),
    )
    return Section("answers", "How near their answers are", "Answers", blocks)


def _rests_on(found: Comparison) -> Section:
    used = found.samples
    facts = {
        "Samples": f"{used.compared:,} of {used.found:,} {used.kind} of {used.source}, "
        f"{'with' if used.labelled else 'without'} labels",
        "Samples (SHA-256)": used.sha256,
        **{f"{one.name} (SHA-256)": one.sha256 for one in found.models},
        "Seed": str(found.seed),
    }
    blocks: list[Block] = [Facts(tuple(facts.items()))]
    latency = found.models[0].latency
    if latency is not None:
        blocks.append(Paragraph(f"{sentence(latency.p50_ms.method)}.", strong="Latency:"))
    if found.conditions is not None:
        measured = tuple(condition_facts(found.conditions).items())
        blocks.append(Facts(measured, title="Conditions of the latency measurement"))
    if found.preprocessing is not None:
        done = tuple((key, str(value)) for key, value in found.preprocessing.items())
        blocks.append(Facts(done, title="What is done to a sample"))
    blocks.append(Facts(tuple(sorted(found.versions.items())), title="Versions"))
    if found.notes:
        blocks += [Paragraph("", strong="Notes"), Bullets(found.notes)]
    return Section("provenance", "What this rests on", "Provenance", tuple(blocks))
