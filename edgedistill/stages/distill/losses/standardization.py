"""Logit standardization: teacher and student compared by shape, not by size of their logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from edgedistill.stages.distill.losses.precision import wide

if TYPE_CHECKING:
    from torch import Tensor

_EPSILON = 1e-7
_ROUNDING = 16
"""Spread of equal logits around their mean, in units of the last place, generously."""


def standardize(logits: Tensor) -> Tensor:
    """Logits of mean 0 and spread 1 over the classes of each sample.

    `(z - mean(z)) / (1e-7 + std(z))` (Sun et al. 2024, arXiv 2403.01427, algorithm 1). As in the
    authors' code, std divides by one less than the number of classes C; dividing by C would be
    the same as a temperature lower by sqrt((C - 1) / C), 5 % with ten classes, on both sides
    alike. Goes before any loss on answers, for teacher and student; the temperature comes after
    it, 2 or 3 in the authors' runs.

    Where all logits are equal they become 0 and their gradient is that of the mean taken away,
    since 1e7 times that would end a training. Where some are minus infinity (a sure teacher) the
    result is the limit: one level for those, one for all others.

    Args:
        logits: `[..., classes]`, at least two classes.

    Returns:
        `[..., classes]`, float32 or the logits' own higher precision.
    """
    raised = wide(logits)
    finite = ~torch.isneginf(raised)
    raised = torch.where(finite.all(dim=-1, keepdim=True), raised, finite.to(raised.dtype))
    centred = raised - raised.mean(dim=-1, keepdim=True)
    spread = raised.std(dim=-1, keepdim=True)
    size = raised.detach().abs().amax(dim=-1, keepdim=True)
    flat = spread <= _ROUNDING * torch.finfo(raised.dtype).eps * size
    return centred / torch.where(flat, 1.0, _EPSILON + spread)
