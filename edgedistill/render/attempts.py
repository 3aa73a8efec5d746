"""What was tried to keep the accuracy of an int8 model, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render.escaping import table, told
from edgedistill.render.figures import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgedistill.core.attempts import Attempt, Attempts
    from edgedistill.core.report import Int8Check


def attempt_sections(checks: Iterable[tuple[str, Int8Check | None]]) -> list[str]:
    """The ways that were tried for each int8 model, where plain int8 was not enough.

    Args:
        checks: What a model is called, and what is known of it where it is in int8.
    """
    sections = []
    for name, check in checks:
        if check is not None and check.attempts is not None and len(check.attempts.tried) > 1:
            sections += _section(name, check.attempts)
    return sections


def _section(name: str, attempts: Attempts) -> list[str]:
    kept = attempts.figure_is.partition(" ")[0]  # accuracy, or agreement
    figure = attempts.figure_is[:1].upper() + attempts.figure_is[1:]
    head = ("Tried", told(figure), "Gain", "Distance", "Limits", "Kept")
    lines = [
        f"## What was tried to keep the {told(kept)} of {told(name)}",
        table(head, (_row(one) for one in attempts.tried)),
        told(attempts_ending(attempts)),
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


def attempts_ending(attempts: Attempts) -> str:
    """What came of the ways that were tried, and what their figures mean, as plain text."""
    ended = "every limit is kept" if attempts.broken is None else f"it {attempts.broken}"
    return (
        f"Each way builds on those kept before it, until every limit is kept; in the end {ended}. "
        "Distance is the root mean square of the difference from the float model's outputs, over "
        f"their spread. {attempts.judged} model file(s) were judged."
    )


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
