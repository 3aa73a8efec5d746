from __future__ import annotations

import pytest

from edgedistill.core.teacher import QUESTION
from edgedistill.stages.respond.questions import Questions, asked_about

CLASSES = ("food", "travel")


def test_a_question_holds_the_classes_and_the_text_of_its_sample() -> None:
    questions = Questions("{classes}? {text}", CLASSES, (["a", "b"], ["c"]))
    expected = [f"food, travel? {text}" for text in "abc"]
    assert list(questions) == expected
    assert questions[-1] == expected[-1]
    assert questions[1:] == expected[1:]
    assert len(questions) == 3
    with pytest.raises(IndexError):
        questions[3]


def test_marks_and_braces_in_a_text_or_a_question_stay_text() -> None:
    asked = asked_about("{classes} {0} \\1", 'As {"class": ...}: {text}', CLASSES)
    assert asked == 'As {"class": ...}: {classes} {0} \\1'


def test_the_question_asked_where_the_recipe_has_none_names_classes_and_text() -> None:
    lines = asked_about("Some bread", QUESTION, CLASSES).splitlines()
    assert lines[-2:] == ["Classes: food, travel", "Text: Some bread"]
