"""A teacher is one network, an ensemble or an endpoint; never something between."""

from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.teacher import QUESTION, Model, Teacher
from edgedistill.errors import InputError

MEMBERS = [{"source": "onnx:a.onnx"}, {"source": "builtin:mlp", "weights": "w.safetensors"}]
ENSEMBLE: dict[str, Any] = {"source": "ensemble", "members": MEMBERS}


def test_an_ensemble_is_made_of_its_members_and_another_network_of_itself() -> None:
    ensemble = Teacher.read(ENSEMBLE, file="r")
    single = Teacher.read({"source": "onnx:a.onnx"}, file="r")
    assert [part.source for part in ensemble.parts] == ["onnx:a.onnx", "builtin:mlp"]
    assert ensemble.combine == "probabilities"
    assert single.parts == (single,)
    student = Model(source="builtin:mlp")
    assert student.parts == (student,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"members": []}, "an ensemble is two networks at least"),
        ({"members": MEMBERS[:1]}, "an ensemble is two networks at least"),
        ({"source": "builtin:mlp"}, "members and combine are for an ensemble"),
        ({"source": "onnx:a.onnx", "members": [], "combine": "logits"}, "are for an ensemble"),
        ({"train": {"epochs": 1}}, "an ensemble is not trained here"),
        ({"args": {"width": 8}}, "args and weights belong to the members"),
        ({"weights": "w.safetensors"}, "args and weights belong to the members"),
        ({"combine": "votes"}, "combine"),
        ({"members": [*MEMBERS, ENSEMBLE]}, r"members\.2\.members: is not a known key"),
        ({"members": [*MEMBERS, {"source": "ensemble"}]}, "cannot be an ensemble itself"),
        ({"members": [*MEMBERS, {"source": "x", "train": {"epochs": 1}}]}, r"members\.2\.train"),
        ({"members": "onnx:a.onnx"}, "members"),
        ({"members": [*MEMBERS, {"source": "endpoint"}]}, "a member cannot be an endpoint"),
        ({"endpoint": {"url": "http://localhost/v1", "model": "m"}}, "asked over HTTP"),
    ],
)
def test_a_teacher_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Teacher.read({**ENSEMBLE, **changes}, file="r")


WHERE = {"url": "http://localhost:8000/v1", "model": "m"}
ASKED: dict[str, Any] = {"source": "endpoint", "endpoint": WHERE}


def test_an_endpoint_is_asked_a_question_that_the_recipe_may_leave_to_the_default() -> None:
    assert Teacher.read(ASKED, file="r").question == QUESTION
    assert Teacher.read({**ASKED, "question": None}, file="r").question == QUESTION
    own = Teacher.read({**ASKED, "question": "{text}: good or bad?"}, file="r")
    assert own.question == "{text}: good or bad?"
    assert Teacher.read({"source": "builtin:mlp"}, file="r").question is None
    again = Teacher.read(own.model_dump(mode="json"), file="recipe.lock.yaml")
    assert again == own


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"endpoint": None}, "does not say who is asked"),
        ({"source": "builtin:mlp"}, "endpoint, question and sure are for a teacher that is asked"),
        ({"train": {"epochs": 1}}, "is asked, not trained"),
        ({"weights": "w.safetensors"}, "args and weights are for networks that are built here"),
        ({"args": {"width": 8}}, "args and weights are for networks that are built here"),
        ({"question": "Good or bad?"}, "does not hold {text} once"),
        ({"question": "{text} {text}"}, "does not hold {text} once"),
        ({"question": ""}, "does not hold {text} once"),
        ({"sure": 0.5}, "sure"),
        ({"sure": 1.0}, "sure"),
        ({"members": MEMBERS}, "members and combine are for an ensemble"),
        ({"endpoint": {**WHERE, "key_env": "sk-secret"}}, r"endpoint\.key_env"),
    ],
)
def test_an_endpoint_that_contradicts_itself_is_refused(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Teacher.read({**ASKED, **changes}, file="r")
    assert "sk-secret" not in str(caught.value)
