"""What `compare` found out, for a terminal and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import columns, figures
from edgedistill.render.damage import damage_sections
from edgedistill.render.escaping import table, told, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgedistill.core.comparison import ComparedModel, Comparison

_HEADS = ("model", "accuracy", "median latency", "speed-up", "size", "MACs")
_MEANS = {
    "top-1": "share of samples to which both give the same class",
    "signal": "share of the variance of A's output that B keeps",
    "values": "share of whole numbers that are the same",
}


def comparison_page(found: Comparison) -> str:
    """Both models beside each other and what B does otherwise, for a terminal."""
    lines = [
        f"{found.samples.compared} {found.samples.kind} on {found.target_title}",
        "",
        columns.table(
            [_HEADS, *((visible(one.name), *_cells(one)) for one in found.models)],
            right=range(1, 6),
        ),
        "",
        *(f"{what}: {figure}" for what, figure in _figures(found, visible)),
        *(f"Note: {visible(note)}" for note in found.notes),
    ]
    return "\n".join(lines) + "\n"


def comparison_markdown(found: Comparison) -> str:
    """The comparison as GitHub-flavoured Markdown."""
    first, second = found.models
    sections = [
        f"# {told(second.name)} beside {told(first.name)}",
        table(
            tuple(head[0].upper() + head[1:] for head in _HEADS),
            ((told(one.name), *_cells(one)) for one in found.models),
        ),
        table(("What changed", "How much"), _figures(found, told)),
        f"Agreement is the {_MEANS[found.agreement_kind]}. The relative error is the root mean "
        "square of the difference from A's outputs over that of their spread. Intervals are at "
        "95 % confidence.",
        *damage_sections(found.damage),
        "## What this rests on",
        "\n".join(f"- {line}" for line in _rests_on(found)),
    ]
    return "\n\n".join(sections) + "\n"


def _cells(one: ComparedModel) -> tuple[str, ...]:
    return (
        figures.accuracy(one.accuracy),
        figures.milliseconds(one.latency.p50_ms if one.latency else None),
        figures.factor(one.latency.speedup if one.latency else None),
        figures.megabytes(one.size_mb),
        figures.count(one.macs),
    )


def _figures(found: Comparison, written: Callable[[str], str]) -> list[tuple[str, str]]:
    """What changed, names written so that they stay text."""
    error = found.relative_error
    rows = [("Agreement", figures.accuracy(found.agreement))]
    if found.changed is not None:
        rows.append(("Other answers", figures.accuracy(found.changed)))
    rows.append(("Relative error", figures.ABSENT if error is None else f"{100 * error:.2g} %"))
    if found.accuracy_drop is not None:
        rows.append(("Accuracy lost", figures.points(found.accuracy_drop)))
    damage = found.damage
    if damage is not None:
        rows.append(("Right in A, wrong in B", figures.accuracy(damage.flipped.lost)))
        for what, parts in (("class", damage.classes), ("group", damage.groups)):
            if parts:
                worst = max(parts, key=lambda part: part.drop.value)
                rows.append(
                    (f"Worst {what}", f"{written(worst.name)}, {figures.points(worst.drop)}")
                )
    return rows


def _rests_on(found: Comparison) -> Iterator[str]:
    used = found.samples
    labels = "with labels" if used.labelled else "without labels"
    yield (
        f"{used.compared} of {used.found} {used.kind} of {told(used.source)}, {labels} "
        f"(SHA-256 {used.sha256})."
    )
    if found.preprocessing is not None:
        shown = (f"{key} {value}" for key, value in found.preprocessing.items() if value)
        yield f"Preprocessing: {told(', '.join(shown))}."
    latency = found.models[0].latency
    rests = {"Answers": found.agreement, "Latency": latency.p50_ms if latency else None}
    for what, figure in rests.items():
        if figure is not None:
            yield f"{what}: {figure.evidence.value} ({told(figure.method)})."
    if found.conditions is not None:
        conditions = found.conditions
        yield (
            f"Measured on {told(conditions.processor)}, {told(conditions.runtime)}, "
            f"{told(conditions.provider)}, {conditions.threads} thread(s), in interleaved rounds."
        )
    for one in found.models:
        yield f"{told(one.name)}: SHA-256 {one.sha256}."
    yield from (told(note) for note in found.notes)
