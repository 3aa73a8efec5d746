from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.stages.distill.losses import (
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Draw = Callable[..., tuple[Tensor, Tensor]]
    Loss = Callable[[Tensor, Tensor], Tensor]

SHAPE = BATCH, *_ = 5, 3, 2, 2


def huber(difference: float) -> float:
    """Delta 1."""
    return difference**2 / 2 if abs(difference) <= 1 else abs(difference) - 0.5


def similarity_written_out(student: np.ndarray, teacher: np.ndarray) -> float:
    """Equation 4 of arXiv 1907.09682."""

    def similarity(rows: np.ndarray) -> np.ndarray:
        products = rows @ rows.T
        return np.stack([row / np.linalg.norm(row) for row in products])

    return float(((similarity(teacher) - similarity(student)) ** 2).sum() / BATCH**2)


def distance_written_out(student: np.ndarray, teacher: np.ndarray) -> float:
    """RKD-D of arXiv 1904.05068, pair by pair."""

    def distances(rows: np.ndarray) -> np.ndarray:
        each = np.array([[np.linalg.norm(a - b) for b in rows] for a in rows])
        return each / each[each > 0].mean()

    pairs = zip(distances(student).flat, distances(teacher).flat, strict=True)
    return float(np.mean([huber(a - b) for a, b in pairs]))


def angle_written_out(student: np.ndarray, teacher: np.ndarray) -> float:
    """RKD-A of arXiv 1904.05068, triple by triple."""

    def cosine(rows: np.ndarray, i: int, j: int, k: int) -> float:
        if j in (i, k):
            return 0.0
        one, two = rows[i] - rows[j], rows[k] - rows[j]
        return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))

    each = range(BATCH)
    return float(
        np.mean(
            [
                huber(cosine(student, i, j, k) - cosine(teacher, i, j, k))
                for i in each
                for j in each
                for k in each
            ]
        )
    )


WRITTEN_OUT = {
    similarity_preserving_loss: similarity_written_out,
    relational_distance_loss: distance_written_out,
    relational_angle_loss: angle_written_out,
}
every_loss = pytest.mark.parametrize("loss", list(WRITTEN_OUT))


@every_loss
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_is_what_the_formula_says(draw: Draw, loss: Loss, seed: int, scale: float) -> None:
    student, teacher = (side.detach() for side in draw(seed, *SHAPE, scale=scale))
    rows = student.flatten(1).numpy(), teacher.flatten(1).numpy()
    assert float(loss(student, teacher)) == pytest.approx(WRITTEN_OUT[loss](*rows), rel=1e-8)


@every_loss
def test_gradients_agree_with_finite_differences(draw: Draw, loss: Loss) -> None:
    student, teacher = draw(1, *SHAPE)
    assert torch.autograd.gradcheck(lambda features: loss(features, teacher), (student,))


@every_loss
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100))
def test_a_teacher_turned_and_scaled_is_the_same_teacher(
    draw: Draw, loss: Loss, seed: int, factor: float
) -> None:
    teacher = draw(seed, BATCH, 6)[1]
    turn = torch.linalg.qr(draw(seed + 1, 6, 6)[1]).Q
    assert float(loss(factor * teacher @ turn, teacher)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("loss", [relational_distance_loss, relational_angle_loss])
def test_a_far_origin_costs_no_precision(draw: Draw, loss: Loss) -> None:
    student, teacher = (side.detach() for side in draw(2, *SHAPE))
    near, far = (student + shift for shift in (0.0, 1e5))
    torch.testing.assert_close(loss(far, teacher), loss(near, teacher), rtol=1e-6, atol=0)


@every_loss
def test_student_and_teacher_need_not_have_the_same_shape(draw: Draw, loss: Loss) -> None:
    student = draw(3, BATCH, 4, 3, 3)[0]
    teacher = draw(4, BATCH, 11)[1]
    loss(student, teacher).backward()
    assert student.grad is not None
    assert bool(student.grad.any())


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_equal_empty_and_huge_samples_give_finite_loss_and_gradient(
    draw: Draw, loss: Loss, dtype: torch.dtype
) -> None:
    teacher = draw(5, *SHAPE)[1].to(dtype)
    twins = teacher.clone()
    twins[1] = twins[0]
    for student in (torch.zeros(SHAPE), torch.full(SHAPE, 0.1), 6e4 * teacher.sign(), twins):
        learner = student.to(dtype).requires_grad_()
        for taught in (teacher, twins, torch.zeros(SHAPE)):
            value = loss(learner, taught)
            assert value.dtype == torch.float32
            assert bool(torch.isfinite(value))
            assert bool(torch.isfinite(torch.autograd.grad(value, learner)[0]).all())


@every_loss
def test_one_sample_alone_has_no_relations(draw: Draw, loss: Loss) -> None:
    student, teacher = draw(6, 1, 4)
    value = loss(student, teacher)
    (gradient,) = torch.autograd.grad(value, student)
    assert float(value.detach()) == pytest.approx(0, abs=1e-15)
    assert bool(torch.isfinite(gradient).all())


@every_loss
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
def test_half_precision_is_near_to_full(
    draw: Draw, loss: Loss, dtype: torch.dtype, tolerance: float
) -> None:
    student, teacher = (side.detach() for side in draw(7, *SHAPE))
    half = loss(student.to(dtype), teacher.to(dtype))
    assert float(half) == pytest.approx(float(loss(student, teacher)), rel=tolerance)


@every_loss
def test_no_gradient_flows_into_the_teacher(draw: Draw, loss: Loss) -> None:
    student, teacher = draw(8, *SHAPE)
    teacher.requires_grad_()
    loss(student, teacher).backward()
    assert teacher.grad is None
