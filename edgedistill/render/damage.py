"""What one network does otherwise than another, sample by sample, as sections of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.damage import Text
from edgedistill.render import figures
from edgedistill.render.escaping import table, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.damage import Damage, Example, PartDamage
    from edgedistill.core.evidence import Quantity

_PARTS = 20
"""Classes or groups in a table; those that lost least are left to the JSON."""


def damage_sections(damage: Damage | None) -> list[str]:
    """The flip rate, classes and groups, calibration error and examples; nothing without a report.

    Args:
        damage: The facts; None where there are none.
    """
    if damage is None:
        return []
    return [
        f"## What {told(damage.after)} does otherwise than {told(damage.before)}",
        f"On the same {damage.samples} samples ({told(damage.split)}).",
        *_changes(damage),
        *_parts(damage.classes, "class", "classes"),
        *_parts(damage.groups, "group", "groups"),
        *_examples(damage),
    ]


def _changes(damage: Damage) -> list[str]:
    flipped = damage.flipped
    rows = [
        ("Other answers", figures.accuracy(flipped.changed)),
        ("Right before, wrong after (negative flips)", figures.accuracy(flipped.lost)),
        ("Wrong before, right after", figures.accuracy(flipped.gained)),
    ]
    if damage.calibration_error is not None:
        error = damage.calibration_error
        rows += [
            ("Expected calibration error before", figures.error(error.before)),
            ("Expected calibration error after", figures.error(error.after)),
        ]
    legend = dict.fromkeys(told(one.method) for one in _told(damage))
    return [
        table(("What changed", "How much"), rows),
        "\n".join(f"- {method}" for method in legend),
    ]


def _told(damage: Damage) -> list[Quantity]:
    flipped, error = damage.flipped, damage.calibration_error
    return [
        flipped.changed,
        flipped.lost,
        flipped.gained,
        *([error.before, error.after] if error else []),
    ]


def _parts(parts: Sequence[PartDamage], one: str, several: str) -> list[str]:
    if not parts:
        return []
    worst_first = sorted(parts, key=lambda part: -part.drop.value)
    rows = (
        (
            told(part.name),
            str(part.samples),
            figures.accuracy(part.before),
            figures.accuracy(part.after),
            figures.points(part.drop),
        )
        for part in worst_first[:_PARTS]
    )
    left = len(parts) - _PARTS
    more = f" {left} more, which lost less, are in the JSON." if left > 0 else ""
    return [
        f"### By {one}, the worst first",
        table((one.capitalize(), "Samples", "Before", "After", "Lost"), rows),
        f"The intervals of what was lost hold for all {several} at once.{more}",
    ]


def _examples(damage: Damage) -> list[str]:
    if not damage.examples:
        return []
    rows = (
        (
            str(example.sample),
            told(example.label),
            f"{told(example.before)} ({100 * example.before_probability:.1f} %)",
            _after(example),
            told(example.content.text) if isinstance(example.content, Text) else figures.ABSENT,
        )
        for example in damage.examples
    )
    shown, all_of_them = len(damage.examples), damage.examples_in_all
    return [
        f"### What only {told(damage.after)} gets wrong, the surest mistakes first",
        table(("Sample", "Right", "Before", "After", "Text"), rows),
        f"{shown} of {all_of_them}. Percentages are how probable the network calls its answer.",
    ]


def _after(example: Example) -> str:
    return f"{told(example.after)} ({100 * example.after_probability:.1f} %)"
