"""A teacher may be one network or an ensemble; never something between."""

from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.recipe import Model, Teacher
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
    ],
)
def test_a_teacher_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Teacher.read({**ENSEMBLE, **changes}, file="r")
