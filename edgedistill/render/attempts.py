"""What was tried to keep the accuracy of an int8 model, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render.escaping import table, told
from edgedistill.render.figures import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgedistill.core.attempts import Attempt, Attempts
    from edgedistill.core.report import Row


def attempt_sections(rows: Iterable[Row]) -> list[str]:
    """The ways that were tried for each int8 model; nothing where there was nobody to judge."""
    sections = []
    for row in rows:
        if row.int8 is not None and row.int8.attempts is not None:
            sections += _section(row.variant or row.step, row.int8.attempts)
    return sections


def _section(step: str, attempts: Attempts) -> list[str]:
    figure = attempts.figure_is[:1].upper() + attempts.figure_is[1:]
    head = ("Tried", told(figure), "Gain", "Distance", "Limits", "Kept")
    ended = "every limit is kept" if attempts.broken is None else f"it {told(attempts.broken)}"
    lines = [
        f"## How the accuracy of {told(step)} was kept",
        table(head, (_row(one) for one in attempts.tried)),
        f"Each way builds on those kept before it, until every limit is kept; in the end {ended}. "
        "Distance is the root mean square of the difference from the float model's outputs, over "
        f"their spread. {attempts.judged} model file(s) were judged.",
    ]
    if attempts.fallen_back:
        lines.append(
            table(
                ("Fell back", "To", "Share of multiply-accumulates", "Why"),
                (
                    (
                        told(one.name),
                        one.to,
                        f"{100 * one.mac_share:.2g} %",
                        told(one.reason),
                    )
                    for one in attempts.fallen_back
                ),
            )
        )
    return lines


def _row(attempt: Attempt) -> tuple[str, ...]:
    name = attempt.way if not attempt.detail else f"{attempt.way}: {attempt.detail}"
    if attempt.figure is None or attempt.distance is None:
        return (told(name), *(ABSENT,) * 4, "no")
    return (
        told(name),
        f"{100 * attempt.figure:.2f} %",
        ABSENT if attempt.gain is None else f"{100 * attempt.gain:+.2f} points",
        f"{attempt.distance:.4f}",
        "kept" if attempt.holds else "broken",
        "yes" if attempt.kept else "no",
    )
