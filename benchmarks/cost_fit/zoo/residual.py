"""ResNet and what became of it: wide, grouped, gated, Res2Net; RepVGG, DarkNet, GENet, VGG."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from zoo.blocks import Residual, SqueezeExcite, classifier, convolution

WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True, kw_only=True)
class ResNet:
    """He et al. 2016 (arXiv 1512.03385), table 1, and its relatives.

    Attributes:
        depths: Blocks of the four stages.
        bottleneck: Whether a block is 1x1, 3x3, 1x1 and not 3x3, 3x3.
        groups: Of the 3x3 convolution (ResNeXt, arXiv 1611.05431).
        group_width: Channels of a bottleneck at base width 64 (wide ResNet: 128).
        gated: Squeeze-and-excitation at the end of a block; by a sixteenth.
        stem: Widths of the three 3x3 convolutions that replace the 7x7 one (arXiv 1812.01187).
        pooled_shortcuts: Whether a shortcut pools before its 1x1 convolution (ResNet-D).
        stride_first: Whether the first 1x1 convolution of a bottleneck has the stride (Caffe).
        scales: Res2Net (arXiv 1904.01169): the parts that the 3x3 convolution works on in turn.
    """

    depths: tuple[int, int, int, int]
    bottleneck: bool = True
    groups: int = 1
    group_width: int = 64
    gated: bool = False
    stem: tuple[int, int, int] | None = None
    pooled_shortcuts: bool = False
    stride_first: bool = False
    scales: int = 1

    def build(self) -> nn.Module:
        """The network."""
        if self.stem:
            first, second, channels = self.stem
            layers = [
                convolution(3, first, 3, 2),
                convolution(first, second, 3),
                convolution(second, channels, 3),
            ]
        else:
            channels = 64
            layers = [convolution(3, 64, 7, 2)]
        layers.append(nn.Sequential(nn.MaxPool2d(3, 2, 1)))
        for stage, (width, depth) in enumerate(zip(WIDTHS, self.depths, strict=True)):
            for place in range(depth):
                stride = 2 if stage and place == 0 else 1
                layers.append(nn.Sequential(self._block(channels, width, stride)))
                channels = width * (4 if self.bottleneck else 1)
        return nn.Sequential(*layers, classifier(channels))

    def _block(self, inputs: int, width: int, stride: int) -> Residual:
        outputs = width * (4 if self.bottleneck else 1)
        body = self._bottleneck if self.bottleneck else self._basic
        layers = body(inputs, width, stride)
        if self.gated:
            layers.append(SqueezeExcite(outputs, outputs // 16))
        shortcut = None
        if stride > 1 or inputs != outputs:
            shortcut = convolution(inputs, outputs, 1, stride, activation=None)
            if self.pooled_shortcuts and stride > 1:
                pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
                shortcut = nn.Sequential(pool, convolution(inputs, outputs, activation=None))
        return Residual(nn.Sequential(*layers), shortcut=shortcut, activation=nn.ReLU)

    def _basic(self, inputs: int, width: int, stride: int) -> list[nn.Module]:
        return [
            convolution(inputs, width, 3, stride),
            convolution(width, width, 3, activation=None),
        ]

    def _bottleneck(self, inputs: int, width: int, stride: int) -> list[nn.Module]:
        inner = width * self.group_width // 64 * self.groups
        first = stride if self.stride_first else 1
        middle = convolution(inner, inner, 3, stride // first, groups=self.groups)
        if self.scales > 1:
            inner = int(width * self.group_width / 64) * self.scales
            middle = Scales(inner, stride, self.scales, first=stride > 1 or inputs == 64)
        return [
            convolution(inputs, inner, 1, first),
            middle,
            convolution(inner, width * 4, activation=None),
        ]


class Scales(nn.Module):
    """Res2Net: each part of the channels sees the result of the part before."""

    def __init__(self, channels: int, stride: int, scales: int, *, first: bool) -> None:
        super().__init__()
        width = channels // scales
        self.scales, self.first = scales, first
        self.parts = nn.ModuleList(convolution(width, width, 3, stride) for _ in range(scales - 1))
        self.rest = nn.AvgPool2d(3, stride, 1) if first else nn.Identity()

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width]; in the first block of a stage the parts are apart."""
        parts = torch.chunk(picture, self.scales, 1)
        done: list[torch.Tensor] = []
        for part, layer in zip(parts, self.parts, strict=False):
            done.append(layer(part if self.first or not done else part + done[-1]))
        return torch.cat([*done, self.rest(parts[-1])], 1)


def repvgg(depths: tuple[int, ...], factors: tuple[float, ...], *, groups: int = 1) -> nn.Module:
    """RepVGG with its branches joined into one convolution (arXiv 2101.03697, table 2).

    Args:
        depths: Blocks a stage.
        factors: Width of a stage over 64, 128, 256, 512.
        groups: Of every second layer.
    """
    widths = [int(width * factor) for width, factor in zip(WIDTHS, factors, strict=True)]
    channels = min(64, widths[0])
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, 2, 1), nn.ReLU()]
    count = 1
    for width, depth in zip(widths, depths, strict=True):
        for place in range(depth):
            own = groups if count % 2 == 0 else 1
            layers += [
                nn.Conv2d(channels, width, 3, 2 if place == 0 else 1, 1, groups=own),
                nn.ReLU(),
            ]
            channels, count = width, count + 1
    return nn.Sequential(*layers, classifier(channels))


def darknet(depths: tuple[int, ...] = (1, 2, 8, 8, 4)) -> nn.Module:
    """DarkNet-53 of YOLO v3 (arXiv 1804.02767, table 1)."""

    def leaky() -> nn.Module:
        return nn.LeakyReLU(0.1)

    layers: list[nn.Module] = [convolution(3, 32, 3, activation=leaky)]
    channels = 32
    for depth in depths:
        layers.append(convolution(channels, 2 * channels, 3, 2, activation=leaky))
        channels *= 2
        layers += [
            Residual(
                nn.Sequential(
                    convolution(channels, channels // 2, activation=leaky),
                    convolution(channels // 2, channels, 3, activation=leaky),
                )
            )
            for _ in range(depth)
        ]
    return nn.Sequential(*layers, classifier(channels))


@dataclass(frozen=True)
class Stage:
    """A stage of GENet (arXiv 2006.14090, table 10)."""

    kind: str
    depth: int
    width: int
    stride: int
    ratio: float


def genet(stem: int, stages: tuple[Stage, ...], features: int) -> nn.Module:
    """A GPU-efficient network: basic blocks, bottlenecks and inverted bottlenecks."""
    layers: list[nn.Module] = [convolution(3, stem, 3, 2)]
    channels = stem
    for stage in stages:
        for place in range(stage.depth):
            stride = stage.stride if place == 0 else 1
            inner = round(stage.width * stage.ratio)
            if stage.kind == "basic":
                body = [
                    convolution(channels, inner, 3, stride),
                    convolution(inner, stage.width, 3, activation=None),
                ]
            else:
                groups = inner if stage.kind == "inverted" else 1
                body = [
                    convolution(channels, inner),
                    convolution(inner, inner, 3, stride, groups=groups),
                    convolution(inner, stage.width, activation=None),
                ]
            shortcut = None
            if stride > 1 or channels != stage.width:
                shortcut = convolution(channels, stage.width, 1, stride, activation=None)
            layers.append(Residual(nn.Sequential(*body), shortcut=shortcut, activation=nn.ReLU))
            channels = stage.width
    return nn.Sequential(*layers, convolution(channels, features), classifier(features))


def vgg(depths: tuple[int, ...], *, normalized: bool = False) -> nn.Module:
    """Simonyan and Zisserman 2015 (arXiv 1409.1556), table 1.

    Args:
        depths: Convolutions a stage.
        normalized: Whether each has a batch normalization.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in zip((64, 128, 256, 512, 512), depths, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers += [nn.BatchNorm2d(width)] if normalized else []
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = (
        nn.Flatten(),
        nn.Linear(512 * 7 * 7, 4096),
        nn.ReLU(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 1000),
    )
    return nn.Sequential(*layers, *head)
