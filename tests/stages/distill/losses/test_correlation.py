from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from edgedistill.stages.distill.losses import correlation_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Draw = Callable[..., tuple[Tensor, Tensor]]

WEIGHTS = {"inter_weight": 2.0, "intra_weight": 0.5}


def written_out(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    """The loss by numpy's own correlation coefficient."""

    def soften(logits: np.ndarray) -> np.ndarray:
        powers = np.exp(logits / temperature)
        return powers / powers.sum(axis=1, keepdims=True)

    p, q = soften(teacher), soften(student)
    inter = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)])
    intra = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)])
    return temperature**2 * (2.0 * inter + 0.5 * intra)


def finite(loss: Tensor, student: Tensor) -> bool:
    (gradient,) = torch.autograd.grad(loss, student)
    return bool(torch.isfinite(loss)) and bool(torch.isfinite(gradient).all())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.5, 10), scale=st.floats(0.1, 5))
def test_is_what_the_formula_says(draw: Draw, seed: int, temperature: float, scale: float) -> None:
    student, teacher = draw(seed, scale=scale)
    loss = correlation_loss(student, teacher, temperature=temperature, **WEIGHTS)
    expected = written_out(student.detach().numpy(), teacher.numpy(), temperature)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_gradients_agree_with_finite_differences(draw: Draw) -> None:
    student, teacher = draw(1)
    assert torch.autograd.gradcheck(
        lambda z: correlation_loss(z, teacher, temperature=3.0, **WEIGHTS), (student,)
    )


def test_is_zero_for_the_teachers_own_answers_and_at_most_twice_the_weights(draw: Draw) -> None:
    student, teacher = draw(2)
    same = correlation_loss(teacher, teacher, temperature=2.0, **WEIGHTS)
    assert float(same) == pytest.approx(0, abs=1e-12)
    most = correlation_loss(student, teacher, temperature=2.0, **WEIGHTS).detach()
    assert 0 < float(most) <= 2**2 * 2 * 2.5


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 1.0))
def test_a_positive_affine_change_of_the_probabilities_changes_nothing(
    draw: Draw, seed: int, share: float
) -> None:
    """Mixed with the uniform answer, p becomes share p + (1 - share) / C, and correlates by 1."""
    student, teacher = draw(seed)
    mixed = (share * student.softmax(dim=1) + (1 - share) / 7).log()
    plain, changed = (
        correlation_loss(logits, teacher, temperature=1.0, **WEIGHTS).detach()
        for logits in (student, mixed)
    )
    torch.testing.assert_close(plain, changed, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("level", [0.0, 11.0])
def test_flat_answers_correlate_with_nothing_and_still_learn(
    draw: Draw, dtype: torch.dtype, level: float
) -> None:
    """A last layer that starts at zero; its gradient must be neither NaN nor 1e8."""
    teacher = draw(3)[1].to(dtype)
    student = torch.full((5, 7), level, dtype=dtype).requires_grad_()
    loss = correlation_loss(student, teacher, temperature=1.0, inter_weight=1.0, intra_weight=0.0)
    (gradient,) = torch.autograd.grad(loss, student)
    assert float(loss.detach()) == pytest.approx(1, abs=1e-5)
    assert 1e-4 < float(gradient.abs().max()) < 1
    nearer = student.detach() - gradient
    assert float(
        correlation_loss(nearer, teacher, temperature=1.0, inter_weight=1.0, intra_weight=0.0)
    ) < float(loss.detach())


def test_a_flat_teacher_and_a_batch_of_one_teach_nothing(draw: Draw) -> None:
    student, teacher = draw(4)
    flat = torch.zeros_like(teacher)
    assert finite(correlation_loss(student, flat, temperature=1.0, **WEIGHTS), student)
    alone = correlation_loss(
        student[:1], teacher[:1], temperature=1.0, inter_weight=0.0, intra_weight=1.0
    )
    (gradient,) = torch.autograd.grad(alone, student)
    assert float(alone.detach()) == 1
    assert not gradient.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_sure_answers_and_classes_nobody_finds_give_finite_loss_and_gradient(
    dtype: torch.dtype,
) -> None:
    right = torch.tensor([2, 0, 2, 3, 3])
    for teacher in (functional.one_hot(right, 7).log(), 60_000.0 * functional.one_hot(right, 7)):
        for size in (1.0, 60.0, 95.0, 60_000.0):
            student = (size * torch.roll(torch.eye(7)[:5], 1, dims=1)).to(dtype).requires_grad_()
            loss = correlation_loss(student, teacher.to(dtype), temperature=1.0, **WEIGHTS)
            assert loss.dtype == torch.float32
            assert finite(loss, student)


def test_small_probabilities_correlate_as_large_ones_do(draw: Draw) -> None:
    """A class a billion times rarer in both: in float32 its squares would be nothing."""
    student, teacher = (side.detach().float() for side in draw(5))
    rare = torch.tensor([-21.0, 0, 0, 0, 0, 0, 0])
    exact, single = (
        correlation_loss(
            (student + rare).to(kind),
            (teacher + rare).to(kind),
            temperature=1.0,
            inter_weight=0.0,
            intra_weight=1.0,
        )
        for kind in (torch.float64, torch.float32)
    )
    assert float(single) == pytest.approx(float(exact), rel=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
def test_half_precision_is_near_to_full(draw: Draw, dtype: torch.dtype, tolerance: float) -> None:
    student, teacher = draw(6)
    half, full = (
        correlation_loss(student.detach().to(kind), teacher.to(kind), temperature=4.0, **WEIGHTS)
        for kind in (dtype, torch.float32)
    )
    assert float(half) == pytest.approx(float(full), rel=tolerance)


def test_a_part_of_weight_zero_is_not_computed_and_the_teacher_gets_no_gradient(
    draw: Draw,
) -> None:
    student, teacher = draw(7)
    teacher.requires_grad_()
    none = correlation_loss(student, teacher, temperature=1.0, inter_weight=0.0, intra_weight=0.0)
    assert not none.requires_grad
    correlation_loss(student, teacher, temperature=1.0, **WEIGHTS).backward()
    assert teacher.grad is None
