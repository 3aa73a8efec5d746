from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional

from edgedistill.core.learning import Distill, Training
from edgedistill.stages.distill.losses import (
    answers_loss,
    correlation_loss,
    decoupled_loss,
    soft_target_loss,
    standardize,
)
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Draw = Callable[..., tuple[Tensor, Tensor]]

BATCH = 5
LABELS = torch.tensor([0, 3, UNLABELLED, 6, 1])


def test_gradients_agree_with_finite_differences(draw: Draw) -> None:
    student, teacher = draw(5)

    def loss(logits: Tensor) -> Tensor:
        smoothed = Training(epochs=1, label_smoothing=0.1)
        config = Distill(temperature=3.0, alpha=0.7, train=smoothed)
        return answers_loss(logits, teacher, LABELS, config)

    assert torch.autograd.gradcheck(loss, (student,))


def test_alpha_zero_is_the_cross_entropy_alone(draw: Draw) -> None:
    student, teacher = draw(7)
    labels = torch.tensor([0, 3, 2, 6, 1])
    nothing = torch.full_like(teacher, torch.nan)
    loss = answers_loss(student, nothing, labels, Distill(alpha=0.0))
    torch.testing.assert_close(loss, functional.cross_entropy(student, labels))


def test_alpha_one_does_not_look_at_labels(draw: Draw) -> None:
    student, teacher = draw(8)
    gradients = []
    for labels in (torch.zeros(BATCH, dtype=torch.int64), torch.arange(BATCH)):
        loss = answers_loss(student, teacher, labels, Distill(alpha=1.0))
        gradients.append(torch.autograd.grad(loss, student)[0])
    assert torch.equal(gradients[0], gradients[1])


def test_unlabelled_samples_learn_from_the_teacher_alone(draw: Draw) -> None:
    student, teacher = draw(9)
    labels = torch.tensor([2, UNLABELLED, UNLABELLED, 4, UNLABELLED])
    alpha = 0.25
    loss = answers_loss(student, teacher, labels, Distill(temperature=2.0, alpha=alpha))
    labelled = labels != UNLABELLED
    expected = alpha * soft_target_loss(student, teacher, 2.0) + (
        1 - alpha
    ) * functional.cross_entropy(student[labelled], labels[labelled])
    torch.testing.assert_close(loss, expected)


def on_answers(config: Distill, student: Tensor, teacher: Tensor) -> Tensor:
    """The teacher's part, with the arguments of each method spelled out."""
    temperature = config.temperature
    if config.method == "dkd":
        return decoupled_loss(
            student,
            teacher,
            LABELS,
            temperature=temperature,
            target_weight=0.5,
            nontarget_weight=3.0,
        )
    if config.method == "dist":
        return correlation_loss(
            student, teacher, temperature=temperature, inter_weight=2.0, intra_weight=0.25
        )
    return soft_target_loss(student, teacher, temperature)


@pytest.mark.parametrize("standardized", [False, True])
@pytest.mark.parametrize("method", ["kd", "dkd", "dist"])
def test_the_recipe_decides_what_the_answers_teach(
    draw: Draw, method: str, *, standardized: bool
) -> None:
    student, teacher = draw(10)
    config = Distill(
        method=method,
        standardize=standardized,
        temperature=2.5,
        alpha=0.4,
        target_weight=0.5,
        nontarget_weight=3.0,
        inter_weight=2.0,
        intra_weight=0.25,
        train=Training(epochs=1, label_smoothing=0.1),
    )
    seen = (standardize(student), standardize(teacher)) if standardized else (student, teacher)
    labelled = LABELS != UNLABELLED
    on_labels = functional.cross_entropy(student[labelled], LABELS[labelled], label_smoothing=0.1)
    expected = 0.4 * on_answers(config, *seen) + 0.6 * on_labels
    torch.testing.assert_close(answers_loss(student, teacher, LABELS, config), expected)
    assert torch.autograd.gradcheck(lambda z: answers_loss(z, teacher, LABELS, config), (student,))


@pytest.mark.parametrize("method", ["kd", "dkd", "dist"])
def test_a_side_of_weight_zero_is_not_computed(draw: Draw, method: str) -> None:
    student, teacher = draw(12)
    taught = Distill(method=method, alpha=0.0, standardize=True)
    nothing = torch.full_like(teacher, torch.nan)
    assert bool(torch.isfinite(answers_loss(student, nothing, LABELS, taught)))
    none_labelled = torch.full((BATCH,), UNLABELLED)
    alone = Distill(method=method, alpha=1.0)
    loss = answers_loss(student, teacher, none_labelled, alone)
    assert bool(torch.isfinite(torch.autograd.grad(loss, student)[0]).all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("standardized", [False, True])
@pytest.mark.parametrize("method", ["kd", "dkd", "dist"])
def test_a_one_hot_teacher_in_half_precision_is_learned_from(
    method: str, dtype: torch.dtype, *, standardized: bool
) -> None:
    sure = functional.one_hot(torch.tensor([0, 3, 2, 6, 1]), 7).log().to(dtype)
    student = torch.linspace(-6e4, 6e4, 35).reshape(5, 7).to(dtype).requires_grad_()
    config = Distill(method=method, standardize=standardized, alpha=0.5)
    loss = answers_loss(student, sure, LABELS, config)
    (gradient,) = torch.autograd.grad(loss, student)
    assert loss.dtype == torch.float32
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(gradient).all())
