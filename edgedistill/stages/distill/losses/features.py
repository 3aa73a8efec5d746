"""Losses on what layers say, place by place: hints and attention.

Features are `[batch, channels, height, width]` (or with other numbers of spatial axes above one),
`[batch, tokens, dim]` or `[batch, dim]`. Where a student has more or fewer places than its teacher,
the finer of both is averaged down, axis by axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from edgedistill.models.building import seeded
from edgedistill.stages.distill.losses.precision import unit, wide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_CONVOLUTIONS = {4: nn.Conv2d, 5: nn.Conv3d}


def hint_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How far a student's features are from its teacher's.

    The mean squared difference (FitNets, Romero et al. 2015, arXiv 1412.6550, eq. 3; there half the
    sum of squares, here the mean, so that the weight does not depend on the size of the layer).
    The student's features go through a `regressor` first where channels differ.

    Args:
        student: Features as above.
        teacher: Features with as many axes and channels; no gradient flows into them.

    Returns:
        One value in squared units of the teacher's features.
    """
    return functional.mse_loss(*_same_places(student, teacher))


def attention_transfer_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How far a student looks from where its teacher looks; channels may differ.

    A layer looks where its values are large: the map is the mean square over the channels of each
    place, scaled to length 1 over the places of a sample (Zagoruyko and Komodakis 2017, arXiv
    1612.03928, p = 2). The loss is the mean squared difference of the maps over places and samples,
    as in the authors' code: no factor 1/2 and no root, which eq. 2 has.

    Args:
        student: Features as above, with places: three axes or more.
        teacher: Features with as many axes; no gradient flows into them.

    Returns:
        One value without unit, at most 2 over the number of places.
    """
    student, teacher = _same_places(student, teacher)
    return functional.mse_loss(_attention(student), _attention(teacher))


def regressor(
    student_shape: Sequence[int], teacher_shape: Sequence[int], *, seed: int
) -> nn.Module:
    """What brings a student's channels to the number of its teacher's, to be trained beside it.

    A convolution of one by one for pictures, a linear map for tokens and vectors (FitNets learns a
    larger convolution without padding; one by one is what later comparisons use, since it leaves
    places as they are). Where the channels are as many it does nothing.

    Args:
        student_shape: Of the student's features, batch first.
        teacher_shape: Of the teacher's, with as many axes.
        seed: Of the first weights.
    """
    axis = _channel_axis(student_shape)
    taken, given = student_shape[axis], teacher_shape[axis]
    if taken == given:
        return nn.Identity()
    convolution = _CONVOLUTIONS.get(len(student_shape))
    with seeded(seed):
        return convolution(taken, given, kernel_size=1) if convolution else nn.Linear(taken, given)


def _channel_axis(shape: Sequence[int]) -> int:
    return 1 if len(shape) > 3 else len(shape) - 1


def _attention(features: Tensor) -> Tensor:
    """Maps of length 1, `[batch, places]`."""
    size = features.detach().abs().flatten(1).amax(dim=1).clamp(min=1e-19)
    scaled = features / size.view(-1, *[1] * (features.ndim - 1))
    return unit(scaled.square().mean(dim=_channel_axis(features.shape)).flatten(1))


def _same_places(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float32 at least, averaged down to the fewer places along each axis."""
    student, teacher = wide(student), wide(teacher.detach())
    channels = _channel_axis(student.shape)
    for axis in range(1, student.ndim):
        if axis != channels:
            size = min(student.shape[axis], teacher.shape[axis])
            student, teacher = (_averaged(side, axis, size) for side in (student, teacher))
    return student, teacher.to(student.dtype)


def _averaged(features: Tensor, axis: int, size: int) -> Tensor:
    """Adaptive average pooling along one axis.

    By a matrix, since torch's own has no deterministic gradient on GPUs.
    """
    length = features.shape[axis]
    if length == size:
        return features
    windows = features.new_zeros(size, length)
    for place in range(size):
        start, end = place * length // size, -(-(place + 1) * length // size)
        windows[place, start:end] = 1 / (end - start)
    averaged: Tensor = torch.tensordot(features, windows, dims=([axis], [1]))
    return averaged.movedim(-1, axis)
