"""Batch normalization over the whole batch where several processes share it."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from edgedistill.core.stage import Company


@contextmanager
def synchronized(module: nn.Module, company: Company) -> Iterator[None]:
    """Inside, each batch normalization of a network takes mean and variance over all processes.

    So several processes learn what one would (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1,
    on the whole batch). torch's own SyncBatchNorm needs a GPU. Changes nothing for one process.
    """
    parts = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    parts = parts if company.size > 1 else []
    for part in parts:
        part.forward = partial(_normalize, part, company)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for part in parts:
            del part.forward


def _normalize(part: _BatchNorm, company: Company, values: Tensor) -> Tensor:
    """`[batch, channels, ...]`, normalized over batch and places of all processes."""
    if not (part.training or part.running_mean is None):
        as_ever: Tensor = type(part).forward(part, values)
        return as_ever
    axes = [axis for axis in range(values.ndim) if axis != 1]
    shape = [1, -1] + [1] * (values.ndim - 2)
    wide = values.float()
    count = company.size * wide.numel() // wide.shape[1]
    mean = company.sum(wide.sum(axes)) / count
    centred = wide - mean.view(shape)
    variance = company.sum(centred.square().sum(axes)) / count
    _remember(part, mean.detach(), variance.detach() * count / max(count - 1, 1))
    normal = centred * torch.rsqrt(variance + part.eps).view(shape)
    if part.affine:
        normal = normal * part.weight.view(shape) + part.bias.view(shape)
    narrow: Tensor = normal.to(values.dtype)
    return narrow


def _remember(part: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    if part.running_mean is None or part.running_var is None:
        return
    part.num_batches_tracked.add_(1)  # type: ignore[union-attr]
    momentum = part.momentum
    if momentum is None:  # a cumulative mean
        momentum = 1.0 / float(part.num_batches_tracked)  # type: ignore[arg-type]
    part.running_mean.lerp_(mean, momentum)
    part.running_var.lerp_(variance, momentum)
