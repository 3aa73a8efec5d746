from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from edgedistill.stages.distill.losses import (
    forward_kl,
    jensen_shannon,
    reverse_kl,
    soft_target_loss,
    top_k_forward_kl,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Draw = Callable[..., tuple[Tensor, Tensor]]

SHAPE = BATCH, TOKENS, WORDS = 2, 4, 9
MASK = torch.tensor([[True, True, False, False], [True, True, True, False]])


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(sum(a * (np.log(a) - np.log(b)) for a, b in zip(p, q, strict=True)))


def chosen(logits: Tensor, temperature: float) -> list[np.ndarray]:
    """The distribution at each token the mask chooses."""
    tokens = np.exp(logits.detach().numpy() / temperature)
    return list((tokens / tokens.sum(axis=-1, keepdims=True))[MASK.numpy()])


def top(logits: Tensor, k: int, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """What is kept of a teacher: which classes, and their log-probabilities."""
    kept = (logits.detach() / temperature).log_softmax(dim=-1).topk(k, dim=-1)
    return kept.indices, kept.values


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "forward": forward_kl,
    "reverse": reverse_kl,
    "jensen-shannon": lambda z, v, mask: jensen_shannon(z, v, mask, beta=0.3),
    "top k": lambda z, v, mask: top_k_forward_kl(z, *top(v, 3), mask),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.5, 8), beta=st.floats(0.01, 0.99))
def test_divergences_are_what_the_formulas_say(
    draw: Draw, seed: int, temperature: float, beta: float
) -> None:
    student, teacher = draw(seed, *SHAPE)
    pairs = list(zip(chosen(teacher, temperature), chosen(student, temperature), strict=True))
    mixed = [(p, q, beta * p + (1 - beta) * q) for p, q in pairs]
    expected = {
        forward_kl: np.mean([kl(p, q) for p, q in pairs]),
        reverse_kl: np.mean([kl(q, p) for p, q in pairs]),
        jensen_shannon: np.mean([beta * kl(p, m) + (1 - beta) * kl(q, m) for p, q, m in mixed]),
    }
    for loss, value in expected.items():
        more = {"beta": beta} if loss is jensen_shannon else {}
        given_value = loss(student, teacher, MASK, temperature=temperature, **more).detach()
        assert float(given_value) == pytest.approx(value, rel=1e-7, abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, WORDS - 1), temperature=st.floats(0.5, 8))
def test_top_k_is_the_divergence_with_all_other_classes_as_one(
    draw: Draw, seed: int, k: int, temperature: float
) -> None:
    student, teacher = draw(seed, *SHAPE)
    values = []
    pairs = zip(chosen(teacher, temperature), chosen(student, temperature), strict=True)
    for p, q in pairs:
        best = np.argsort(-p)[:k]
        values.append(
            kl(np.append(p[best], 1 - p[best].sum()), np.append(q[best], 1 - q[best].sum()))
        )
    loss = top_k_forward_kl(
        student, *top(teacher, k, temperature), MASK, temperature=temperature
    ).detach()
    assert float(loss) == pytest.approx(np.mean(values), rel=1e-6, abs=1e-9)
    whole = forward_kl(student, teacher, MASK, temperature=temperature).detach()
    assert float(loss) <= float(whole) + 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_top_k_of_the_whole_vocabulary_is_the_forward_divergence(
    draw: Draw, dtype: torch.dtype
) -> None:
    student, teacher = (side.to(dtype) for side in draw(1, *SHAPE))
    whole = top_k_forward_kl(student, *top(teacher, WORDS), MASK)
    torch.testing.assert_close(whole, forward_kl(student, teacher, MASK))


def test_what_was_kept_in_half_precision_may_exceed_one_and_stays_a_divergence(
    draw: Draw,
) -> None:
    student, teacher = (side.float() for side in draw(2, *SHAPE))
    for k in range(1, WORDS + 1):
        indices, values = top(teacher, k)
        rounded = top_k_forward_kl(student, indices, values.half() + 2e-3, MASK)
        exact = top_k_forward_kl(student, indices, values, MASK)
        assert float(rounded.detach()) == pytest.approx(float(exact.detach()), abs=0.02)
        own = top_k_forward_kl(teacher, indices, values.half() + 2e-3, MASK)
        assert 0 <= float(own) < 0.02


@every_loss
def test_gradients_agree_with_finite_differences(
    draw: Draw, loss: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> None:
    student, teacher = draw(3, *SHAPE)
    assert torch.autograd.gradcheck(lambda z: loss(z, teacher, MASK), (student,))


@every_loss
def test_only_chosen_tokens_are_looked_at(
    draw: Draw, loss: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> None:
    student, teacher = draw(4, *SHAPE)
    whole = loss(student, teacher, MASK)
    spoiled = (
        student.detach().masked_fill(~MASK[..., None], torch.nan).requires_grad_(),
        teacher.masked_fill(~MASK[..., None], torch.nan),
    )
    same = loss(*spoiled, MASK)
    (gradient,) = torch.autograd.grad(same, spoiled[0])
    assert torch.equal(same, whole)
    assert bool(torch.isfinite(gradient).all())
    assert not gradient[~MASK].any()


@every_loss
def test_a_mask_that_chooses_none_gives_zero_with_a_gradient(
    draw: Draw, loss: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> None:
    student, teacher = draw(5, *SHAPE)
    nothing = loss(student, teacher, torch.zeros_like(MASK))
    (gradient,) = torch.autograd.grad(nothing, student)
    assert float(nothing.detach()) == 0
    assert not gradient.any()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_sure_teacher_and_huge_logits_give_finite_loss_and_gradient(
    loss: Callable[[Tensor, Tensor, Tensor], Tensor], dtype: torch.dtype
) -> None:
    words = torch.arange(BATCH * TOKENS).reshape(BATCH, TOKENS) % WORDS
    one_hot = functional.one_hot(words, WORDS)
    for teacher in (one_hot.log().to(dtype), (60_000.0 * one_hot).to(dtype)):
        for student in (torch.zeros(SHAPE), 60_000.0 * torch.roll(one_hot, 1, dims=-1)):
            learner = student.to(dtype).requires_grad_()
            value = loss(learner, teacher, MASK)
            (gradient,) = torch.autograd.grad(value, learner)
            assert value.dtype == torch.float32
            assert bool(torch.isfinite(value))
            assert bool(torch.isfinite(gradient).all())


@every_loss
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
def test_half_precision_is_near_to_full(
    draw: Draw,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    student, teacher = draw(6, *SHAPE)
    half = loss(student.detach().to(dtype), teacher.to(dtype), MASK)
    full = loss(student.detach(), teacher, MASK)
    assert float(half) == pytest.approx(float(full), rel=tolerance)


@every_loss
def test_no_gradient_flows_into_the_teacher(
    draw: Draw, loss: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> None:
    student, teacher = draw(7, *SHAPE)
    teacher.requires_grad_()
    loss(student, teacher, MASK).backward()
    assert teacher.grad is None


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 100))
def test_jensen_shannon_at_one_half_is_symmetric_and_below_ln_2(
    draw: Draw, seed: int, scale: float
) -> None:
    student, teacher = (side.detach() for side in draw(seed, *SHAPE, scale=scale))
    one_way = jensen_shannon(student, teacher, MASK)
    torch.testing.assert_close(one_way, jensen_shannon(teacher, student, MASK))
    assert 0 <= float(one_way) <= math.log(2) + 1e-12


def test_jensen_shannon_goes_to_the_divergences_at_its_ends(draw: Draw) -> None:
    student, teacher = (side.detach() for side in draw(8, *SHAPE, scale=1.0))
    forward, reverse = forward_kl(student, teacher, MASK), reverse_kl(student, teacher, MASK)
    assert torch.equal(jensen_shannon(student, teacher, MASK, beta=0.0), forward)
    assert torch.equal(jensen_shannon(student, teacher, MASK, beta=1.0), reverse)
    near = jensen_shannon(student, teacher, MASK, beta=1e-7) / 1e-7
    torch.testing.assert_close(near, forward, rtol=1e-4, atol=0)
    near = jensen_shannon(student, teacher, MASK, beta=1 - 1e-7) / 1e-7
    torch.testing.assert_close(near, reverse, rtol=1e-4, atol=0)


def test_forward_divergence_is_the_soft_target_loss_of_each_token(draw: Draw) -> None:
    student, teacher = draw(9, *SHAPE)
    tokens = soft_target_loss(student[MASK], teacher[MASK], 4.0) / 4.0**2
    torch.testing.assert_close(forward_kl(student, teacher, MASK, temperature=4.0), tokens)


def test_reverse_divergence_of_ruled_out_tokens_is_bounded() -> None:
    teacher = torch.tensor([[[0.0, -torch.inf]]])
    student = torch.tensor([[[-60.0, 60.0]]])
    loss = reverse_kl(student, teacher, torch.ones(1, 1, dtype=torch.bool))
    assert 87 < float(loss) < 88
