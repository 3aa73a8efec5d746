"""How the networks learned, as Markdown tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.escaping import table, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgedistill.core.learned import Curation, Feedback, LearningStep, Members


def learning_sections(steps: Iterable[LearningStep]) -> list[str]:
    """What each step of the learning did and what it changed; nothing where nothing was learned."""
    steps = tuple(steps)
    if not steps:
        return []
    head = ("Step", "Samples", "With label", "Validation accuracy", "Gain")
    sections = ["## How it learned", table(head, (_row(step) for step in steps))]
    for step in steps:
        if step.feedback is not None:
            sections.append(f"{told(step.title)}: {feedback_sentence(step.feedback)}")
        if step.curation is not None:
            sections += _curation(step.curation)
    return sections


def _row(step: LearningStep) -> tuple[str, ...]:
    return (
        told(step.title),
        _count(step.samples),
        _count(step.labelled),
        accuracies(step.accuracy_before, step.accuracy_after),
        figures.points(step.gain),
    )


def _count(number: int | None) -> str:
    return figures.ABSENT if number is None else f"{number:,}"


def accuracies(before: float | None, after: float | None) -> str:
    """Both accuracies of a step."""
    if before is None or after is None:
        return figures.ABSENT
    return f"{100 * before:.2f} % → {100 * after:.2f} %"


def feedback_sentence(feedback: Feedback) -> str:
    """What became of a student's errors."""
    if not feedback.errors:
        return "there was no error in what it had learned from, so it stayed as it was."
    return (
        f"of {feedback.errors:,} errors {feedback.corrected:,} were replayed with the teacher's "
        f"answer ({feedback.labels_contradicted:,} against their label) and {feedback.dropped:,} "
        "dropped, for the teacher was not sure."
    )


def _curation(curation: Curation) -> list[str]:
    sections = [
        f"Curation kept {curation.kept:,} of {curation.samples:,} samples; the labels of "
        f"{curation.hidden:,} of them are not believed."
    ]
    for kind, members in (("Class", curation.classes), ("Group", curation.groups)):
        if members:
            head = (kind, "Samples", "Cut away", "Label hidden", "Left", "Skew")
            sections.append(table(head, _members(members)))
    taken = [
        (told(cut.field), f"{cut.taken:,}", told(by_name(cut.classes)), told(by_name(cut.groups)))
        for cut in curation.cuts
    ]
    if taken:
        sections.append(table(("Cut", "Took", "By class", "By group"), taken))
    return sections


def _members(members: Mapping[str, Members]) -> Iterable[tuple[str, ...]]:
    for name, each in members.items():
        counts = (each.before, each.removed, each.hidden, each.left)
        skew = figures.ABSENT if each.skew is None else f"{each.skew:.2f}x"
        yield (told(name), *(f"{count:,}" for count in counts), skew)


def by_name(counts: Mapping[str, int] | None) -> str:
    """Counts in one line."""
    if not counts:
        return figures.ABSENT
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items())
