from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from torch import nn

from edgedistill.app.networks import Networks
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.app.resolve import Resolved

UNTRAINED = {"source": "builtin:residual-cnn"}


def test_a_teacher_without_weights_is_trained(tiny: Callable[..., Resolved]) -> None:
    training = Networks(tiny().recipe).teacher_training
    assert training is not None
    assert training.epochs == 1


def test_a_teacher_without_weights_or_training_is_refused(tiny: Callable[..., Resolved]) -> None:
    networks = Networks(tiny(teacher=UNTRAINED).recipe)
    with pytest.raises(InputError, match="teacher: has neither weights nor train"):
        _ = networks.teacher_training


@pytest.mark.parametrize("draws", [True, False])
def test_a_function_of_the_users_own_may_bring_its_weights(
    tiny: Callable[..., Resolved], tmp_path: Path, draws: bool
) -> None:
    fill = "" if draws else "    [nn.init.ones_(value) for value in layer.parameters()]\n"
    (tmp_path / "nets.py").write_text(
        f"from torch import nn\ndef net():\n    layer = nn.Linear(2, 2)\n{fill}    return layer\n"
    )
    networks = Networks(tiny(teacher={"source": "python:nets.py:net"}).recipe)
    if draws:
        with pytest.raises(InputError, match="has neither weights nor train"):
            _ = networks.teacher_training
    else:
        assert networks.teacher_training is None


def test_training_beside_weights_is_refused(tiny: Callable[..., Resolved]) -> None:
    teacher = {"source": "builtin:mlp", "weights": "w.safetensors", "train": {"epochs": 1}}
    with pytest.raises(InputError, match=r"teacher\.train: is given, but the teacher has its"):
        _ = Networks(tiny(teacher=teacher).recipe).teacher_training


def test_without_a_student_the_teacher_is_what_is_compressed(tiny: Callable[..., Resolved]) -> None:
    recipe = tiny(student=None).recipe
    (compressed,) = Networks(recipe).learners
    assert compressed.model is recipe.teacher


def test_a_student_that_nothing_teaches_needs_weights(tiny: Callable[..., Resolved]) -> None:
    fresh = Networks(tiny(stages__distill=None).recipe)
    with pytest.raises(InputError, match=r"stages\.distill: is left out, but the student has no"):
        fresh.require_student_weights(*fresh.learners)


def test_a_live_student_brings_its_weights(tiny: Callable[..., Resolved]) -> None:
    recipe = tiny(stages__distill=None, student={"source": "live:net"}).recipe
    networks = Networks(recipe, {"net": nn.Linear(64, 10)})
    networks.require_student_weights(*networks.learners)


def test_each_of_several_students_is_known_by_name_and_by_its_place_in_the_recipe(
    tiny: Callable[..., Resolved],
) -> None:
    students = [
        {"name": "small", "source": "builtin:mlp", "args": {"width": 8}},
        {"source": "builtin:mlp", "args": {"width": 16}},
        {"source": "builtin:mlp", "args": {"width": 16, "depth": 2}},
    ]
    networks = Networks(tiny(student=students, stages__distill=None).recipe)
    assert [(one.name, one.field) for one in networks.learners] == [
        ("small", "student.0"),
        ("mlp-width-16", "student.1"),
        ("mlp-width-16-depth-2", "student.2"),
    ]
    small, wide, same = (networks.student_fingerprints[one.name] for one in networks.learners)
    assert small != wide
    assert wide == same  # depth 2 is the default
    with pytest.raises(InputError, match=r"Give student\.1\.weights"):
        networks.require_student_weights(networks.learners[1])
