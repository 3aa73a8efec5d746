from __future__ import annotations

import pytest
import torch

from edgedistill.stages.distill.losses.precision import unit, wide


@pytest.mark.parametrize("size", [1e-18, 1.0, 1e30])
def test_rows_get_length_one_whatever_their_size(size: float) -> None:
    rows = torch.tensor([[3.0, 4.0], [-5.0, 12.0]]) * size
    expected = torch.tensor([[0.6, 0.8], [-5 / 13, 12 / 13]])
    torch.testing.assert_close(unit(rows), expected)


def test_gradients_agree_with_finite_differences() -> None:
    rows = torch.linspace(-2, 3, 12, dtype=torch.float64).reshape(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(unit, (rows,))


@pytest.mark.parametrize("value", [0.0, 1e-40])
def test_an_empty_row_stays_with_a_gradient_of_ordinary_size(value: float) -> None:
    rows = torch.full((1, 3), value).requires_grad_()
    (gradient,) = torch.autograd.grad(unit(rows).sum(), rows)
    assert float(unit(rows).detach().abs().max()) <= 1e-39
    torch.testing.assert_close(gradient, torch.ones(1, 3))


def test_a_row_at_most_as_large_as_asked_counts_as_empty() -> None:
    rows = torch.tensor([[0.1, 0.0], [0.0, 0.2]])
    kept = unit(rows, torch.tensor([[0.1], [0.1]]))
    torch.testing.assert_close(kept, torch.tensor([[0.1, 0.0], [0.0, 1.0]]))


def test_what_is_not_a_number_stays_seen() -> None:
    assert bool(unit(torch.tensor([[torch.nan, 1.0]])).isnan().all())


def test_only_half_precision_is_raised() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        assert wide(torch.zeros(1, dtype=dtype)).dtype == torch.float32
    assert wide(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
