from __future__ import annotations

from typing import Any

import pytest
from markdown_it import MarkdownIt

from edgedistill.core.damage import CalibrationError, Damage, Example, Flipped, PartDamage, Text
from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.render.damage import damage_sections

READER = MarkdownIt("commonmark", {"html": True}).enable(["table"])


def quantity(value: float, method: str = "share of samples") -> Quantity:
    return Quantity(
        value=value,
        low=value - 0.01,
        high=value + 0.01,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=300,
        method=method,
    )


def part(name: str, drop: float) -> PartDamage:
    return PartDamage(
        name=name, samples=30, before=quantity(0.9), after=quantity(0.9 - drop), drop=quantity(drop)
    )


def damage(**changes: Any) -> Damage:
    fields: dict[str, Any] = {
        "split": "validation",
        "samples": 300,
        "before": "teacher",
        "after": "int8",
        "flipped": Flipped(changed=quantity(0.05), lost=quantity(0.03), gained=quantity(0.02)),
        "classes": (part("cat", 0.01), part("dog", 0.2)),
        "calibration_error": CalibrationError(
            before=quantity(0.02, "error"), after=quantity(0.04, "error")
        ),
        "examples": (
            Example(
                sample=7,
                label="cat",
                before="cat",
                before_probability=0.9,
                after="dog",
                after_probability=0.987,
                content=Text(text="a small lion", cut=False),
            ),
        ),
        "examples_in_all": 9,
    }
    return Damage(**(fields | changes))


def shown(found: Damage | None) -> str:
    return "\n\n".join(damage_sections(found))


def test_it_shows_flips_calibration_the_worst_class_first_and_examples() -> None:
    text = shown(damage())
    assert "## What int8 does otherwise than teacher" in text
    assert "| Right before, wrong after (negative flips) | 3.00 % (2.00 to 4.00) |" in text
    assert "| Expected calibration error after | 4.00 points (3.00 to 5.00) |" in text
    assert text.index("| dog | 30 |") < text.index("| cat | 30 |")
    assert "| 7 | cat | cat (90.0 %) | dog (98.7 %) | a small lion |" in text
    assert "1 of 9." in text
    assert "By group" not in text
    assert text.count("- share of samples") == 1


def test_what_is_not_there_is_left_out() -> None:
    assert damage_sections(None) == []
    text = shown(damage(calibration_error=None, examples=(), groups=(part("north", 0.1),)))
    assert "calibration" not in text
    assert "gets wrong" not in text
    assert "### By group" in text


def test_of_many_classes_the_worst_are_shown_and_the_rest_is_counted() -> None:
    text = shown(damage(classes=tuple(part(f"class{i}", i / 100) for i in range(30))))
    assert "| class29 |" in text
    assert "| class9 |" not in text
    assert "10 more, which lost less" in text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a|b", "**bold**"])
def test_names_and_texts_stay_text(name: str) -> None:
    example = (
        damage()
        .examples[0]
        .model_copy(update={"label": name, "content": Text(text=name, cut=False)})
    )
    text = shown(damage(classes=(part(name, 0.1),), examples=(example,), before=name, after=name))
    html = READER.render(text)
    assert "<script>" not in html
    assert "<strong>" not in html
    rows = [line for line in text.splitlines() if line.startswith("| 7 ")]
    assert len(rows) == 1
    assert html.count("<td>") == 2 * 5 + 5 + 5
