"""ConvNeXt and PoolFormer, transformers without attention; Xception, Inception and VoVNet."""

from __future__ import annotations

import torch
from torch import nn

from zoo.blocks import (
    Branches,
    LayerNorm2d,
    LayerScale,
    Residual,
    classifier,
    convolution,
)


class LastAxis(nn.Module):
    """A module that works on the channels as last axis."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to the same."""
        return self.body(picture.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convnext(
    depths: tuple[int, ...], widths: tuple[int, ...], *, convolutions: bool = False
) -> nn.Module:
    """ConvNeXt (arXiv 2201.03545, section 3).

    Args:
        depths: Blocks of the four stages.
        widths: Channels of the four stages.
        convolutions: Whether a block's two dense layers are convolutions on the picture and not
            products over its last axis.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 4), LayerNorm2d(widths[0])]
    channels = widths[0]
    for width, depth in zip(widths, depths, strict=True):
        if width != channels:
            layers += [LayerNorm2d(channels), nn.Conv2d(channels, width, 2, 2)]
            channels = width
        for _ in range(depth):
            apart = nn.Conv2d(width, width, 7, padding=3, groups=width)
            if convolutions:
                dense: list[nn.Module] = [
                    LayerNorm2d(width),
                    nn.Conv2d(width, 4 * width, 1),
                    nn.GELU(),
                    nn.Conv2d(4 * width, width, 1),
                ]
            else:
                dense = [
                    LastAxis(
                        nn.Sequential(
                            nn.LayerNorm(width),
                            nn.Linear(width, 4 * width),
                            nn.GELU(),
                            nn.Linear(4 * width, width),
                        )
                    )
                ]
            scale = LayerScale(width, 1, 1)
            layers.append(Residual(nn.Sequential(apart, *dense, scale)))
    head = (nn.AdaptiveAvgPool2d(1), LayerNorm2d(channels), nn.Flatten())
    return nn.Sequential(*layers, *head, nn.Linear(channels, 1000))


class PoolMixer(nn.Module):
    """A mean over the neighbours less the pixel itself (arXiv 2111.11418, eq. 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to the same."""
        return self.pool(picture) - picture


def poolformer(depths: tuple[int, ...], widths: tuple[int, ...]) -> nn.Module:
    """PoolFormer (arXiv 2111.11418, table 1)."""
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 7, 4, 2)]
    channels = widths[0]
    for width, depth in zip(widths, depths, strict=True):
        if width != channels:
            layers.append(nn.Conv2d(channels, width, 3, 2, 1))
            channels = width
        for _ in range(depth):
            dense = (nn.Conv2d(width, 4 * width, 1), nn.GELU(), nn.Conv2d(4 * width, width, 1))
            for body in ((PoolMixer(),), dense):
                norm, scale = nn.GroupNorm(1, width), LayerScale(width, 1, 1)
                layers.append(Residual(nn.Sequential(norm, *body, scale)))
    head = (LayerNorm2d(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, *head, nn.Linear(channels, 1000))


def separable(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """A depthwise and a pointwise convolution, normalized once."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
    )


def xception() -> nn.Module:
    """Xception (arXiv 1610.02357, figure 5) at 299 pixels."""
    layers: list[nn.Module] = [
        convolution(3, 32, 3, 2, padding=0),
        convolution(32, 64, 3, padding=0),
    ]
    channels = 64
    for width in (128, 256, 728, *(728,) * 8):
        middle = width == channels
        body: list[nn.Module] = [] if channels == 64 else [nn.ReLU()]
        body += [separable(channels, width), nn.ReLU(), separable(width, width)]
        if middle:
            body += [nn.ReLU(), separable(width, width)]
            layers.append(Residual(nn.Sequential(*body)))
        else:
            body.append(nn.MaxPool2d(3, 2, 1))
            shortcut = convolution(channels, width, 1, 2, activation=None)
            layers.append(Residual(nn.Sequential(*body), shortcut=shortcut))
        channels = width
    exit_body = [
        nn.ReLU(),
        separable(728, 728),
        nn.ReLU(),
        separable(728, 1024),
        nn.MaxPool2d(3, 2, 1),
    ]
    layers += [
        Residual(nn.Sequential(*exit_body), shortcut=convolution(728, 1024, 1, 2, activation=None)),
        separable(1024, 1536),
        nn.ReLU(),
        separable(1536, 2048),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, classifier(2048))


def inception_v3() -> nn.Module:
    """Inception v3 (arXiv 1512.00567, table 1, figures 5 to 7) at 299 pixels."""
    layers: list[nn.Module] = [
        convolution(3, 32, 3, 2, padding=0),
        convolution(32, 32, 3, padding=0),
        convolution(32, 64, 3),
        nn.MaxPool2d(3, 2),
        convolution(64, 80, padding=0),
        convolution(80, 192, 3, padding=0),
        nn.MaxPool2d(3, 2),
    ]
    layers += [_inception_a(192, 32), _inception_a(256, 64), _inception_a(288, 64)]
    layers.append(
        Branches(
            convolution(288, 384, 3, 2, padding=0),
            nn.Sequential(
                convolution(288, 64), convolution(64, 96, 3), convolution(96, 96, 3, 2, padding=0)
            ),
            nn.MaxPool2d(3, 2),
        )
    )
    layers += [_inception_c(inner) for inner in (128, 160, 160, 192)]
    layers.append(
        Branches(
            nn.Sequential(convolution(768, 192), convolution(192, 320, 3, 2, padding=0)),
            nn.Sequential(
                convolution(768, 192),
                *_crossed(192, 192, 192),
                convolution(192, 192, 3, 2, padding=0),
            ),
            nn.MaxPool2d(3, 2),
        )
    )
    layers += [_inception_e(1280), _inception_e(2048)]
    return nn.Sequential(*layers, classifier(2048))


def _pooled(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), convolution(inputs, outputs))


def _crossed(inputs: int, inner: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    return convolution(inputs, inner, (1, 7)), convolution(inner, outputs, (7, 1))


def _inception_a(inputs: int, pooled: int) -> Branches:
    return Branches(
        convolution(inputs, 64),
        nn.Sequential(convolution(inputs, 48), convolution(48, 64, 5)),
        nn.Sequential(convolution(inputs, 64), convolution(64, 96, 3), convolution(96, 96, 3)),
        _pooled(inputs, pooled),
    )


def _inception_c(inner: int) -> Branches:
    # a 7x7 convolution as a row and a column; the second branch does so twice
    twice = (
        convolution(inner, inner, (7, 1)),
        convolution(inner, inner, (1, 7)),
        convolution(inner, inner, (7, 1)),
        convolution(inner, 192, (1, 7)),
    )
    return Branches(
        convolution(768, 192),
        nn.Sequential(convolution(768, inner), *_crossed(inner, inner, 192)),
        nn.Sequential(convolution(768, inner), *twice),
        _pooled(768, 192),
    )


def _inception_e(inputs: int) -> Branches:
    def split() -> Branches:
        return Branches(convolution(384, 384, (1, 3)), convolution(384, 384, (3, 1)))

    return Branches(
        convolution(inputs, 320),
        nn.Sequential(convolution(inputs, 384), split()),
        nn.Sequential(convolution(inputs, 448), convolution(448, 384, 3), split()),
        _pooled(inputs, 192),
    )


class Aggregated(nn.Module):
    """One-shot aggregation (VoVNet v2, arXiv 1911.06667): all layers' results joined at once."""

    def __init__(self, layers: list[nn.Module], joined: nn.Module, *, adds: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.joined, self.adds = joined, adds

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to as many channels as the last layer gives."""
        kept = [picture]
        for layer in self.layers:
            kept.append(layer(kept[-1]))
        joined = self.joined(torch.cat(kept, 1))
        return joined + picture if self.adds else joined


def vovnet(
    inner: tuple[int, ...], outputs: tuple[int, ...], depths: tuple[int, ...], layers: int
) -> nn.Module:
    """VoVNet v2 (arXiv 1911.06667, table 1).

    Args:
        inner: Channels of the 3x3 convolutions, by stage.
        outputs: Channels of a stage.
        depths: Blocks of a stage.
        layers: 3x3 convolutions of a block.
    """
    parts: list[nn.Module] = [
        convolution(3, 64, 3, 2),
        convolution(64, 64, 3),
        convolution(64, 128, 3, 2),
    ]
    channels = 128
    for stage, (width, wide, depth) in enumerate(zip(inner, outputs, depths, strict=True)):
        if stage:
            parts.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        for block in range(depth):
            convolutions = [
                convolution(channels if place == 0 else width, width, 3) for place in range(layers)
            ]
            gate = [EffectiveGate(wide)] if block == depth - 1 else []
            joined = nn.Sequential(convolution(channels + layers * width, wide), *gate)
            parts.append(Aggregated([*convolutions], joined, adds=block > 0))
            channels = wide
    return nn.Sequential(*parts, classifier(channels))


class EffectiveGate(nn.Module):
    """Squeeze-and-excitation with one layer and a hard sigmoid (arXiv 1911.06667, figure 2c)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.Hardsigmoid())

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to the same."""
        return picture * self.gate(picture.mean((2, 3), keepdim=True))
