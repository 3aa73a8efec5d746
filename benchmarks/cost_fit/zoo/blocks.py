"""What most of the networks are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import pad

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Activation = Callable[[], nn.Module]


def divisible(channels: float, *, least: float = 0.9) -> int:
    """The multiple of 8 nearest to a width, but at least 0.9 of it (MobileNetV2, arXiv 1801.04381).

    >>> divisible(32 * 1.1), divisible(16 * 0.5), divisible(24 * 0.75)
    (32, 8, 24)
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < least * channels else rounded


class SamePadded(nn.Module):
    """A convolution behind the padding of TensorFlow, which depends on the picture's size."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width], padded below and to the right where it is uneven."""
        kernel, stride = self.convolution.kernel_size[0], self.convolution.stride[0]
        sides = []
        for size in (picture.shape[-1], picture.shape[-2]):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides += [missing // 2, missing - missing // 2]
        return self.convolution(pad(picture, sides))


def convolution(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: Activation | None = nn.ReLU,
    padding: int | tuple[int, int] | str | None = None,
) -> nn.Sequential:
    """A convolution, its batch normalization and its activation.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Its size.
        stride: Its stride.
        groups: Its groups.
        activation: What makes the activation; none where None.
        padding: Half the kernel where absent; `same` for that of TensorFlow.
    """
    sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    half = (sides[0] // 2, sides[1] // 2)
    same = padding == "same"
    if padding is None or (same and stride == 1):
        padding = half
    plain = nn.Conv2d(
        inputs,
        outputs,
        sides,
        stride,
        0 if same and stride > 1 else padding,
        groups=groups,
        bias=False,
    )
    layers: list[nn.Module] = [SamePadded(plain) if same and stride > 1 else plain]
    layers.append(nn.BatchNorm2d(outputs))
    if activation:
        layers.append(activation())
    return nn.Sequential(*layers)


class SqueezeExcite(nn.Module):
    """Gates each channel by what all pixels say (Hu et al. 2018, arXiv 1709.01507)."""

    def __init__(
        self,
        channels: int,
        inner: int,
        *,
        activation: Activation = nn.ReLU,
        gate: Activation = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(channels, inner, 1), activation(), nn.Conv2d(inner, channels, 1), gate()
        )

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to the same."""
        return picture * self.gate(picture.mean((2, 3), keepdim=True))


class Residual(nn.Module):
    """Adds what goes in to what comes out, then activates."""

    def __init__(
        self,
        body: nn.Module,
        *,
        shortcut: nn.Module | None = None,
        activation: Activation | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()
        self.activation = activation() if activation else nn.Identity()

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Any shape to the same."""
        return self.activation(self.body(picture) + self.shortcut(picture))


class Branches(nn.Module):
    """Several roads from one input, joined along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to as many channels as all branches give."""
        return torch.cat([branch(picture) for branch in self.branches], 1)


def classifier(channels: int, *, dropped: Sequence[nn.Module] = ()) -> nn.Sequential:
    """The mean over all pixels and a linear layer for the thousand classes of ImageNet."""
    return nn.Sequential(*dropped, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


class LayerNorm2d(nn.Module):
    """Layer normalization over the channels of a picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to the same."""
        return self.norm(picture.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LayerScale(nn.Module):
    """One factor a channel (CaiT, arXiv 2103.17239)."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.full(shape, 0.1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Any shape that the factors broadcast over."""
        return features * self.factors
