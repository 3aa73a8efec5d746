"""Numbers that stay finite: half precision raised, rows scaled with no division by zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 at least."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def unit(rows: Tensor, least: Tensor | None = None) -> Tensor:
    """Rows scaled to length 1, without overflow or underflow in between.

    A row with nothing in it has no direction. It stays as it is, so that its loss is finite, and
    so is its gradient, which still points to where the teacher's row does.

    Args:
        rows: `[..., n]`, float32 at least.
        least: `[..., 1]`; a row whose largest value is at most this counts as empty.

    Returns:
        `[..., n]`.
    """
    floor = torch.finfo(rows.dtype).tiny ** 0.5
    size = rows.detach().abs().amax(dim=-1, keepdim=True)
    empty = size <= (floor if least is None else least.clamp(min=floor))
    # A row of length 1 is the same whatever its size was, so the size needs no gradient.
    scaled = rows / torch.where(empty, 1.0, size)
    squares = scaled.square().sum(dim=-1, keepdim=True)
    return scaled / torch.where(empty, 1.0, squares).sqrt()
