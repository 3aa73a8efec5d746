from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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


def test_a_function_of_the_users_own_may_bring_its_weights(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    (tmp_path / "nets.py").write_text("def net():\n    raise AssertionError\n")
    networks = Networks(tiny(teacher={"source": "python:nets.py:net"}).recipe)
    assert networks.teacher_training is None


def test_without_a_student_the_teacher_is_what_is_compressed(tiny: Callable[..., Resolved]) -> None:
    recipe = tiny(student=None).recipe
    assert Networks(recipe).student is recipe.teacher
