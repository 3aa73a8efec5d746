from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edgedistill.stages.distill.losses import attention_transfer_loss, hint_loss, regressor
from edgedistill.stages.distill.losses.features import _averaged

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Draw = Callable[..., tuple[Tensor, Tensor]]

PICTURE, TOKENS, VECTOR = (3, 4, 5, 6), (3, 5, 4), (3, 4)


def attention_written_out(features: np.ndarray) -> np.ndarray:
    """The map of arXiv 1612.03928 with p = 2, place by place."""
    channels = 1 if features.ndim == 4 else 2
    squares = (features**2).mean(axis=channels).reshape(len(features), -1)
    return np.stack([row / np.sqrt((row**2).sum()) for row in squares])


@pytest.mark.parametrize("shape", [PICTURE, TOKENS, VECTOR])
def test_hint_is_the_mean_squared_difference(draw: Draw, shape: tuple[int, ...]) -> None:
    student, teacher = draw(0, *shape)
    expected = ((student.detach().numpy() - teacher.numpy()) ** 2).mean()
    assert float(hint_loss(student, teacher).detach()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [PICTURE, TOKENS])
def test_attention_is_what_the_authors_code_says(draw: Draw, shape: tuple[int, ...]) -> None:
    student, teacher = draw(1, *shape)
    maps = [attention_written_out(side.detach().numpy()) for side in (student, teacher)]
    expected = ((maps[0] - maps[1]) ** 2).mean()
    loss = attention_transfer_loss(student, teacher)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-9)


def test_attention_needs_no_equal_channels_and_no_equal_size(draw: Draw) -> None:
    teacher = draw(2, *PICTURE)[1]
    wider = torch.cat([teacher, teacher], dim=1)
    assert float(attention_transfer_loss(100 * wider, teacher)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("loss", [hint_loss, attention_transfer_loss])
@pytest.mark.parametrize("shape", [PICTURE, TOKENS])
def test_gradients_agree_with_finite_differences(
    draw: Draw, loss: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    student, teacher = draw(3, *shape)
    smaller = teacher[:, :3] if len(shape) == 3 else teacher[..., :3, :4]
    assert torch.autograd.gradcheck(lambda features: loss(features, smaller), (student,))


@pytest.mark.parametrize("sizes", [((5, 6), (5, 6)), ((8, 8), (4, 4)), ((7, 9), (3, 9))])
def test_the_finer_side_is_pooled_as_torch_pools(
    sizes: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    fine = torch.randn(2, 3, *sizes[0], generator=torch.Generator().manual_seed(0))
    coarse = torch.randn(2, 3, *sizes[1], generator=torch.Generator().manual_seed(1))
    pooled = functional.adaptive_avg_pool2d(fine, sizes[1])
    expected = functional.mse_loss(pooled, coarse)
    torch.testing.assert_close(hint_loss(fine, coarse), expected)
    torch.testing.assert_close(hint_loss(coarse, fine), expected)


@pytest.mark.parametrize("length", range(1, 10))
def test_averaging_is_adaptive_pooling_for_all_sizes(length: int) -> None:
    row = torch.arange(float(length)).square().reshape(1, 1, length)
    for size in range(1, length + 1):
        expected = functional.adaptive_avg_pool1d(row, size)
        torch.testing.assert_close(_averaged(row, 2, size), expected)


def test_tokens_are_pooled_along_the_sequence_only(draw: Draw) -> None:
    student, teacher = draw(4, 2, 6, 4)
    pooled = student.reshape(2, 3, 2, 4).mean(dim=2)
    torch.testing.assert_close(
        hint_loss(student, teacher[:, :3]), functional.mse_loss(pooled, teacher[:, :3])
    )


@pytest.mark.parametrize("shape", [PICTURE, TOKENS])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_empty_and_huge_features_give_finite_loss_and_gradient(
    draw: Draw, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    teacher = draw(5, *shape)[1].to(dtype)
    for value in (0.0, 6e4):
        student = torch.full(shape, value, dtype=dtype).requires_grad_()
        for loss in (hint_loss, attention_transfer_loss):
            result = loss(student, teacher)
            assert result.dtype == torch.float32
            assert bool(torch.isfinite(result))
            assert bool(torch.isfinite(torch.autograd.grad(result, student)[0]).all())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
@pytest.mark.parametrize("loss", [hint_loss, attention_transfer_loss])
def test_half_precision_is_near_to_full(
    draw: Draw, loss: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype, tolerance: float
) -> None:
    student, teacher = draw(6, *PICTURE)
    half = loss(student.detach().to(dtype), teacher.to(dtype))
    assert float(half) == pytest.approx(float(loss(student.detach(), teacher)), rel=tolerance)


@pytest.mark.parametrize("loss", [hint_loss, attention_transfer_loss])
def test_no_gradient_flows_into_the_teacher(
    draw: Draw, loss: Callable[[Tensor, Tensor], Tensor]
) -> None:
    student, teacher = draw(7, *PICTURE)
    teacher.requires_grad_()
    loss(student, teacher).backward()
    assert teacher.grad is None


@pytest.mark.parametrize(
    ("student", "teacher", "kind"),
    [
        ((2, 4, 8, 8), (2, 6, 4, 4), nn.Conv2d),
        ((2, 4, 8, 8, 8), (2, 6, 4, 4, 4), nn.Conv3d),
        ((2, 8, 4), (2, 5, 6), nn.Linear),
        ((2, 4), (2, 6), nn.Linear),
        ((2, 6, 8, 8), (2, 6, 4, 4), nn.Identity),
        ((2, 8, 6), (2, 5, 6), nn.Identity),
    ],
)
def test_a_regressor_brings_the_channels_over(
    student: tuple[int, ...], teacher: tuple[int, ...], kind: type[nn.Module]
) -> None:
    adapt = regressor(student, teacher, seed=0)
    assert type(adapt) is kind
    loss = hint_loss(adapt(torch.ones(student)), torch.zeros(teacher))
    assert bool(torch.isfinite(loss))


def test_a_regressor_is_drawn_from_its_seed_alone() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, again, other = (regressor((1, 4), (1, 6), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
