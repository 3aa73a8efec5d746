from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.stages.distill.losses import standardize

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Draw = Callable[..., tuple[Tensor, Tensor]]


def test_is_what_the_authors_code_says(draw: Draw) -> None:
    logits = draw(0)[1]
    values = logits.numpy()
    spread = values.std(axis=1, ddof=1, keepdims=True)
    expected = (values - values.mean(axis=1, keepdims=True)) / (1e-7 + spread)
    np.testing.assert_allclose(standardize(logits).numpy(), expected, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 1000), shift=st.floats(-1000, 1000))
def test_a_positive_affine_change_of_the_logits_changes_nothing(
    draw: Draw, seed: int, factor: float, shift: float
) -> None:
    logits = draw(seed)[1]
    changed = standardize(factor * logits + shift)
    torch.testing.assert_close(changed, standardize(logits), rtol=1e-4, atol=1e-6)


def test_mean_is_zero_and_spread_is_one(draw: Draw) -> None:
    standard = standardize(draw(1, 4, 6, 9)[1])
    torch.testing.assert_close(standard.mean(-1), torch.zeros(4, 6, dtype=torch.float64))
    torch.testing.assert_close(
        standard.std(-1), torch.ones(4, 6, dtype=torch.float64), rtol=1e-6, atol=0
    )


def test_gradients_agree_with_finite_differences(draw: Draw) -> None:
    assert torch.autograd.gradcheck(standardize, (draw(2)[0],))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, -7.0, 60_000.0])
def test_equal_logits_become_zero_with_a_gradient_of_ordinary_size(
    dtype: torch.dtype, level: float
) -> None:
    logits = torch.full((2, 7), level, dtype=dtype).requires_grad_()
    standard = standardize(logits)
    (gradient,) = torch.autograd.grad(standard[:, 0].sum(), logits)
    assert float(standard.detach().abs().max()) < max(1e-6 * abs(level), 1e-12)
    assert float(gradient.abs().max()) == pytest.approx(6 / 7, rel=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_sure_teacher_becomes_the_limit_of_ever_surer_ones(dtype: torch.dtype) -> None:
    surer = torch.tensor([[1.0, 2.0, -1e6, -1e6]])
    sure = surer.masked_fill(surer < -10, -torch.inf).to(dtype)
    torch.testing.assert_close(standardize(sure), standardize(surer), rtol=1e-4, atol=1e-5)
    all_ruled_out = torch.full((1, 4), -torch.inf, dtype=dtype)
    assert not standardize(all_ruled_out).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_raised(draw: Draw, dtype: torch.dtype) -> None:
    logits = draw(3)[1]
    half = standardize(logits.to(dtype))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, standardize(logits.float()), rtol=0.02, atol=0.02)


def test_huge_logits_stay_finite() -> None:
    logits = (torch.eye(5) * 1e12).requires_grad_()
    standard = standardize(logits)
    (gradient,) = torch.autograd.grad(standard.diagonal().sum(), logits)
    assert bool(torch.isfinite(standard).all())
    assert bool(torch.isfinite(gradient).all())
