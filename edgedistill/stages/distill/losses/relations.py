"""Losses on how the samples of a batch stand to each other, whatever the shape of the features.

Features `[batch, ...]` are taken as one vector a sample, so student and teacher need not agree on
anything but the batch. Vectors are compared in float64: the difference of two close samples is
what counts, and float32 loses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from edgedistill.stages.distill.losses.precision import unit, wide

if TYPE_CHECKING:
    from torch import Tensor

_SAME = 1e-12
"""Squared distance, against the squared lengths, below which two samples are one."""


def similarity_preserving_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Samples that are alike for the teacher are to be alike for the student.

    `||G_t - G_s||_F^2 / b^2`, with G the `[b, b]` products of all pairs of samples, each row scaled
    to length 1 (Tung and Mori 2019, arXiv 1907.09682, eq. 4).

    Args:
        student: `[batch, ...]`.
        teacher: `[batch, ...]`; no gradient flows into them.

    Returns:
        One value without unit, at most 4 / batch.
    """
    learned, taught = unit(_products(student)), unit(_products(teacher.detach()))
    return functional.mse_loss(learned, taught).to(wide(student).dtype)


def relational_distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Samples that are far apart for the teacher are to be far apart for the student.

    The mean over all pairs of Huber's loss, delta 1, between distances, each side's divided by the
    mean of those above 0 (RKD-D, Park et al. 2019, arXiv 1904.05068, section 3.2.1). The mean runs
    over all b^2 pairs, each sample with itself among them, as in the authors' code.

    Args:
        student: `[batch, ...]`.
        teacher: `[batch, ...]`; no gradient flows into them.

    Returns:
        One value without unit; 0 for a batch of one.
    """
    learned, taught = (_relative_distances(_centred(side)) for side in (student, teacher.detach()))
    return functional.smooth_l1_loss(learned, taught).to(wide(student).dtype)


def relational_angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Three samples are to form the angle for the student that they form for the teacher.

    The mean over all triples of Huber's loss, delta 1, between the cosines of the angle at the
    second sample (RKD-A, Park et al. 2019, arXiv 1904.05068, section 3.2.2). The mean runs over
    all b^3 triples, as in the authors' code; where two of a triple are the same the cosine is 0.
    Takes memory for several times b^3 values in float64: 16 MB each at a batch of 128.

    Args:
        student: `[batch, ...]`.
        teacher: `[batch, ...]`; no gradient flows into them.

    Returns:
        One value without unit; 0 for a batch of one.
    """
    learned, taught = (_cosines(_centred(side)) for side in (student, teacher.detach()))
    return functional.smooth_l1_loss(learned, taught).to(wide(student).dtype)


def _products(features: Tensor) -> Tensor:
    """Inner products of all pairs of samples, float64 `[batch, batch]`."""
    rows = features.flatten(1).double()
    return rows @ rows.T


def _centred(features: Tensor) -> Tensor:
    """The same around the mean sample, which no distance or angle depends on."""
    rows = features.flatten(1).double()
    return _products(rows - rows.mean(dim=0))


def _distances(products: Tensor) -> tuple[Tensor, Tensor]:
    """Distances `[batch, batch]`, 1 where two samples are one, and where they are not."""
    lengths = products.diagonal()
    both = lengths[:, None] + lengths[None, :]
    squared = both - 2 * products
    apart = squared > _SAME * both
    return torch.where(apart, squared, 1.0).sqrt(), apart


def _relative_distances(products: Tensor) -> Tensor:
    distances, apart = _distances(products)
    distances = distances * apart
    mean = distances.sum() / apart.sum().clamp(min=1)
    return distances / torch.where(mean > 0, mean, 1.0)


def _cosines(products: Tensor) -> Tensor:
    """`[second, first, third]`: the cosine of the angle at the second of three samples."""
    distances, apart = _distances(products)
    nearness = apart / distances
    inner = (
        products[None, :, :]
        - products[:, :, None]
        - products[:, None, :]
        + products.diagonal()[:, None, None]
    )
    return inner * nearness[:, :, None] * nearness[:, None, :]
