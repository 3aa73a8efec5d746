from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@pytest.fixture(scope="session")
def draw() -> Callable[..., tuple[Tensor, Tensor]]:
    """A student's values, which want a gradient, and a teacher's, both normal and float64."""

    def make(seed: int, *shape: int, scale: float = 3.0) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        pair = torch.randn(2, *shape or (5, 7), generator=generator, dtype=torch.float64) * scale
        return pair[0].clone().requires_grad_(), pair[1].clone()

    return make
