from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from edgedistill.stages.distill.losses import soft_target_loss

BATCH, CLASSES = 5, 7


def draw(seed: int, *, scale: float = 3.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pair = torch.randn(2, BATCH, CLASSES, generator=generator, dtype=torch.float64) * scale
    return pair[0].clone().requires_grad_(), pair[1].clone()


def written_out(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    """The same loss in float64, sum by sum."""
    total = 0.0
    for z, v in zip(student, teacher, strict=True):
        p = [np.exp((value - v.max()) / temperature) for value in v]
        q = [np.exp((value - z.max()) / temperature) for value in z]
        p, q = [value / sum(p) for value in p], [value / sum(q) for value in q]
        total += sum(a * (np.log(a) - np.log(b)) for a, b in zip(p, q, strict=True))
    return total / len(student) * temperature**2


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.5, 20), scale=st.floats(0.01, 10))
def test_soft_target_loss_is_what_the_formula_says(
    seed: int, temperature: float, scale: float
) -> None:
    student, teacher = draw(seed, scale=scale)
    loss = soft_target_loss(student, teacher, temperature)
    expected = written_out(student.detach().numpy(), teacher.numpy(), temperature)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_gradients_agree_with_finite_differences() -> None:
    student, teacher = draw(5)
    assert torch.autograd.gradcheck(lambda logits: soft_target_loss(logits, teacher, 3.0), student)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_gradient_is_the_difference_of_softened_answers(temperature: float) -> None:
    """Hinton et al. 2015, eq. 2: dC/dz = (q - p) / T, here times T^2."""
    student, teacher = draw(1)
    soft_target_loss(student, teacher, temperature).backward()
    q = functional.softmax(student.detach() / temperature, dim=1)
    p = functional.softmax(teacher / temperature, dim=1)
    assert student.grad is not None
    torch.testing.assert_close(student.grad, temperature * (q - p) / BATCH)


def test_gradient_at_high_temperature_is_that_of_matching_logits() -> None:
    """Hinton et al. 2015, eq. 4: dC/dz = (z - v) / (N T^2) for zero-mean logits."""
    raw, teacher = draw(2)
    student = (raw.detach() - raw.detach().mean(1, keepdim=True)).requires_grad_()
    teacher = teacher - teacher.mean(1, keepdim=True)
    soft_target_loss(student, teacher, 1e5).backward()
    assert student.grad is not None
    expected = (student.detach() - teacher) / CLASSES / BATCH
    torch.testing.assert_close(student.grad, expected, rtol=1e-3, atol=1e-6)


def test_at_low_temperature_only_the_teachers_choice_counts() -> None:
    """T^2 KL / T goes to the lead of the student's choice over the teacher's choice."""
    student, teacher = draw(3)
    temperature = 1e-3
    loss = soft_target_loss(student, teacher, temperature).detach() / temperature
    z = student.detach()
    lead = z.max(dim=1).values - z.gather(1, teacher.argmax(1, keepdim=True))[:, 0]
    torch.testing.assert_close(loss, lead.mean(), rtol=1e-2, atol=1e-3)


def test_loss_is_zero_only_for_the_teachers_own_answers() -> None:
    student, teacher = draw(4)
    assert float(soft_target_loss(teacher + 5.0, teacher, 4.0)) == pytest.approx(0, abs=1e-12)
    assert float(soft_target_loss(student, teacher, 4.0).detach()) > 0.1


def test_no_gradient_flows_into_the_teacher() -> None:
    student, teacher = draw(6)
    teacher.requires_grad_()
    soft_target_loss(student, teacher, 2.0).backward()
    assert teacher.grad is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("certainty", [100.0, 60_000.0])
def test_a_certain_teacher_gives_finite_loss_and_gradient(
    dtype: torch.dtype, certainty: float
) -> None:
    teacher = (certainty * torch.eye(CLASSES)[:BATCH]).to(dtype)
    student = torch.roll(teacher, 1, dims=1).requires_grad_()
    for temperature in (0.5, 1.0, 20.0):
        loss = soft_target_loss(student, teacher, temperature)
        (gradient,) = torch.autograd.grad(loss, student)
        assert loss.dtype == torch.float32
        assert bool(torch.isfinite(loss))
        assert bool(torch.isfinite(gradient).all())


def test_a_one_hot_teacher_is_a_label() -> None:
    student, _ = draw(10)
    labels = torch.tensor([1, 0, 5, 5, 2])
    one_hot = functional.one_hot(labels, CLASSES).double().log()
    loss = soft_target_loss(student, one_hot, 1.0)
    torch.testing.assert_close(loss, functional.cross_entropy(student, labels))
    assert bool(torch.isfinite(torch.autograd.grad(loss, student)[0]).all())


def test_half_precision_is_as_good_as_its_inputs() -> None:
    student, teacher = draw(11)
    exact = soft_target_loss(student.detach().half().double(), teacher.half().double(), 4.0)
    half = soft_target_loss(student.detach().half(), teacher.half(), 4.0)
    assert float(half) == pytest.approx(float(exact), rel=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
def test_half_precision_is_near_to_full(dtype: torch.dtype, tolerance: float) -> None:
    student, teacher = draw(12)
    half = soft_target_loss(student.detach().to(dtype), teacher.to(dtype), 4.0)
    full = soft_target_loss(student.detach(), teacher, 4.0)
    assert float(half) == pytest.approx(float(full), rel=tolerance)
