from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from edgedistill.stages.distill.losses import decoupled_loss, soft_target_loss
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Draw = Callable[..., tuple[Tensor, Tensor]]

TARGETS = torch.tensor([2, 0, 6, 3, 3])
WEIGHTS = {"target_weight": 1.0, "nontarget_weight": 8.0}


def written_out(
    student: np.ndarray, teacher: np.ndarray, targets: list[int], temperature: float
) -> tuple[float, float]:
    """TCKD and NCKD of arXiv 2203.08679, section 3.1, sum by sum; both times T^2."""
    binary, others = 0.0, 0.0
    for z, v, t in zip(student, teacher, targets, strict=True):
        q = np.exp(z / temperature) / np.exp(z / temperature).sum()
        p = np.exp(v / temperature) / np.exp(v / temperature).sum()
        binary += p[t] * np.log(p[t] / q[t]) + (1 - p[t]) * np.log((1 - p[t]) / (1 - q[t]))
        for i in range(len(z)):
            if i != t:
                p_hat, q_hat = p[i] / (1 - p[t]), q[i] / (1 - q[t])
                others += p_hat * np.log(p_hat / q_hat)
    return binary / len(student) * temperature**2, others / len(student) * temperature**2


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    temperature=st.floats(0.5, 10),
    target_weight=st.floats(0, 4),
    nontarget_weight=st.floats(0, 10),
)
def test_is_what_the_formula_says(
    draw: Draw, seed: int, temperature: float, target_weight: float, nontarget_weight: float
) -> None:
    student, teacher = draw(seed)
    loss = decoupled_loss(
        student,
        teacher,
        TARGETS,
        temperature=temperature,
        target_weight=target_weight,
        nontarget_weight=nontarget_weight,
    )
    values = student.detach().numpy(), teacher.numpy()
    binary, others = written_out(*values, TARGETS.tolist(), temperature)
    expected = target_weight * binary + nontarget_weight * others
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-7, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.5, 10))
def test_coupled_again_it_is_the_soft_target_loss_of_each_sample(
    draw: Draw, seed: int, temperature: float
) -> None:
    """KD = TCKD + (1 - p_t) NCKD, arXiv 2203.08679, section 3.1."""
    student, teacher = draw(seed)
    right = (teacher / temperature).softmax(dim=1).gather(1, TARGETS[:, None])[:, 0]
    for sample in range(len(TARGETS)):
        one = slice(sample, sample + 1)
        coupled = decoupled_loss(
            student[one],
            teacher[one],
            TARGETS[one],
            temperature=temperature,
            target_weight=1.0,
            nontarget_weight=1 - float(right[sample]),
        )
        whole = soft_target_loss(student[one], teacher[one], temperature)
        torch.testing.assert_close(coupled, whole, rtol=1e-8, atol=1e-10)


def test_gradients_agree_with_finite_differences(draw: Draw) -> None:
    student, teacher = draw(1)
    assert torch.autograd.gradcheck(
        lambda z: decoupled_loss(z, teacher, TARGETS, temperature=3.0, **WEIGHTS), (student,)
    )


def test_is_zero_for_the_teachers_own_answers(draw: Draw) -> None:
    student, teacher = draw(2)
    same = decoupled_loss(teacher + 3, teacher, TARGETS, temperature=4.0, **WEIGHTS)
    assert float(same) == pytest.approx(0, abs=1e-12)
    other = decoupled_loss(student, teacher, TARGETS, temperature=4.0, **WEIGHTS)
    assert float(other.detach()) > 1


def test_without_a_label_the_teachers_choice_stands_in(draw: Draw) -> None:
    student, teacher = draw(3)
    some = torch.tensor([2, UNLABELLED, 6, UNLABELLED, 3])
    filled = torch.where(some == UNLABELLED, teacher.argmax(dim=1), some)
    losses = [
        decoupled_loss(student, teacher, targets, temperature=4.0, **WEIGHTS)
        for targets in (some, filled)
    ]
    assert torch.equal(*losses)


def test_a_part_of_weight_zero_is_not_computed(draw: Draw) -> None:
    student, teacher = draw(4)
    # A sure student makes the binary part infinite; among the others all is well.
    student = student.detach().clone()
    student[:, 0] = torch.inf
    at_zero = torch.zeros(5, dtype=torch.int64)
    loss = decoupled_loss(
        student, teacher, at_zero, temperature=4.0, target_weight=0.0, nontarget_weight=1.0
    )
    assert bool(torch.isfinite(loss))


def test_a_sure_teacher_still_tells_the_others_apart() -> None:
    """The right class leads by 5000: by the authors' subtraction of 1000 it would hide the rest."""
    teacher = torch.tensor([[5000.0, 1.0, 2.0, 4.0]])
    student = torch.zeros(1, 4, requires_grad=True)
    loss = decoupled_loss(
        student,
        teacher,
        torch.tensor([0]),
        temperature=1.0,
        target_weight=0.0,
        nontarget_weight=1.0,
    )
    p = np.exp([1.0, 2.0, 4.0]) / np.exp([1.0, 2.0, 4.0]).sum()
    assert float(loss.detach()) == pytest.approx((p * np.log(p * 3)).sum(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("aside", [0, 1])
def test_a_one_hot_teacher_has_nothing_to_say_of_the_others(dtype: torch.dtype, aside: int) -> None:
    """Of the right class it says what a label does; where the label differs, so does the class."""
    sure = functional.one_hot(TARGETS, 7).log().to(dtype)
    student = torch.linspace(-4, 4, 35).reshape(5, 7).to(dtype).requires_grad_()
    targets = (TARGETS + aside) % 7
    loss = decoupled_loss(student, sure, targets, temperature=1.0, **WEIGHTS)
    (gradient,) = torch.autograd.grad(loss, student)
    assert bool(torch.isfinite(gradient).all())
    if aside:
        assert bool(torch.isfinite(loss))
    else:
        expected = functional.cross_entropy(student.detach().to(loss.dtype), TARGETS)
        torch.testing.assert_close(loss.detach(), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_huge_logits_give_finite_loss_and_gradient(dtype: torch.dtype) -> None:
    teacher = (60_000.0 * torch.eye(7)[:5]).to(dtype)
    student = torch.roll(teacher, 1, dims=1).requires_grad_()
    for temperature in (0.5, 1.0, 20.0):
        loss = decoupled_loss(student, teacher, TARGETS, temperature=temperature, **WEIGHTS)
        assert loss.dtype == torch.float32
        assert bool(torch.isfinite(loss))
        assert bool(torch.isfinite(torch.autograd.grad(loss, student)[0]).all())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
def test_half_precision_is_near_to_full(draw: Draw, dtype: torch.dtype, tolerance: float) -> None:
    student, teacher = draw(6)
    half, full = (
        decoupled_loss(
            student.detach().to(kind), teacher.to(kind), TARGETS, temperature=4.0, **WEIGHTS
        )
        for kind in (dtype, torch.float32)
    )
    assert float(half) == pytest.approx(float(full), rel=tolerance)


def test_no_gradient_flows_into_the_teacher(draw: Draw) -> None:
    student, teacher = draw(7)
    teacher.requires_grad_()
    decoupled_loss(student, teacher, TARGETS, temperature=4.0, **WEIGHTS).backward()
    assert teacher.grad is None
