"""Networks of inverted residual blocks: MobileNetV2, MnasNet, EfficientNet and their relatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from torch import nn

from zoo.blocks import Residual, SqueezeExcite, classifier, convolution, divisible

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.blocks import Activation


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind.

    Attributes:
        kind: `inverted` (1x1, depthwise, 1x1), `separable` (depthwise, 1x1), `edge` (dense 3x3,
            1x1; "fused" in EfficientNetV2), `plain` (one dense convolution), `pointwise`.
        repeats: How many.
        kernel: Of the middle convolution.
        stride: Of the first block.
        expansion: Inner channels over the block's input.
        channels: Channels out.
        squeeze: Channels of the gate over the block's input channels; 0 for no gate.
        skips: Whether blocks that can add their input do.
        expand_from: What the expansion multiplies, where it is not the block's input.
    """

    kind: str
    repeats: int
    kernel: int
    stride: int
    expansion: float
    channels: int
    squeeze: float = 0.0
    skips: bool = True
    expand_from: int | None = None


@dataclass(frozen=True, kw_only=True)
class Inverted:
    """A network of such stages, scaled in width and depth.

    Attributes:
        stages: Of the unscaled network.
        activation: After all but the last convolution of a block.
        stem: Channels of the first convolution.
        head: Channels of the last.
        width: Factor of all channels.
        depth: Factor of all repeats.
        fixed_stem: Whether the stem keeps its channels, and the head too.
        fixed_ends: Whether the first and the last stage keep their repeats.
        fixed_head: Whether the head keeps its channels.
        least_head: Whether the head never shrinks.
        pooled_head: Whether the head comes behind the mean over all pixels (MobileNetV3).
        rounded_gate: Whether the channels of a gate are rounded like all others.
        gate: The last activation of a gate.
        least: How far below the scaled width rounding may go.
        padding: `same` for TensorFlow's.
        rounding: How scaled repeats become whole.
    """

    stages: tuple[Stage, ...]
    activation: Activation
    stem: int = 32
    head: int = 1280
    width: float = 1.0
    depth: float = 1.0
    fixed_stem: bool = False
    fixed_ends: bool = False
    fixed_head: bool = False
    least_head: bool = False
    pooled_head: bool = False
    rounded_gate: bool = False
    gate: Activation = nn.Sigmoid
    least: float = 0.9
    padding: str | None = None
    rounding: Callable[[float], int] = field(default=ceil)

    def build(self) -> nn.Module:
        """The network."""
        channels = self.stem if self.fixed_stem else self._scaled(self.stem)
        layers: list[nn.Module] = [
            convolution(3, channels, 3, 2, activation=self.activation, padding=self.padding)
        ]
        for place, stage in enumerate(self.stages):
            outputs = self._scaled(stage.channels)
            ends = place in (0, len(self.stages) - 1)
            factor = 1.0 if self.fixed_ends and ends else self.depth
            for block in range(max(1, self.rounding(stage.repeats * factor))):
                stride = stage.stride if block == 0 else 1
                layers.append(self._block(stage, channels, outputs, stride))
                channels = outputs
        head = self._scaled(self.head)
        if self.fixed_stem or self.fixed_head or (self.least_head and head < self.head):
            head = self.head
        if self.pooled_head:
            pool, layer = nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, head, 1, bias=False)
            last = (pool, layer, self.activation(), nn.Flatten(), nn.Linear(head, 1000))
            return nn.Sequential(*layers, *last)
        layers.append(convolution(channels, head, activation=self.activation))
        return nn.Sequential(*layers, classifier(head))

    def _scaled(self, channels: int) -> int:
        return divisible(channels * self.width, least=self.least)

    def _gate(self, stage: Stage, inputs: int, inner: int) -> SqueezeExcite:
        middle = inputs * stage.squeeze
        middle = divisible(middle, least=self.least) if self.rounded_gate else round(middle)
        return SqueezeExcite(inner, middle, activation=self.activation, gate=self.gate)

    def _block(self, stage: Stage, inputs: int, outputs: int, stride: int) -> nn.Module:
        act, pad = self.activation, self.padding
        base = inputs if stage.expand_from is None else self._scaled(stage.expand_from)
        inner = divisible(base * stage.expansion, least=self.least)
        layers: list[nn.Module] = []
        if stage.kind in ("plain", "pointwise"):
            layers = [
                convolution(inputs, outputs, stage.kernel, stride, activation=act, padding=pad)
            ]
        elif stage.kind == "edge":
            layers = [
                convolution(inputs, inner, stage.kernel, stride, activation=act, padding=pad),
                convolution(inner, outputs, activation=None),
            ]
        else:
            if stage.kind == "inverted":
                layers.append(convolution(inputs, inner, activation=act))
            layers.append(
                convolution(
                    inner, inner, stage.kernel, stride, groups=inner, activation=act, padding=pad
                )
            )
            if stage.squeeze:
                layers.append(self._gate(stage, inputs, inner))
            layers.append(convolution(inner, outputs, activation=None))
        body = nn.Sequential(*layers)
        return Residual(body) if stage.skips and stride == 1 and inputs == outputs else body


MOBILENET_V2 = (
    Stage("separable", 1, 3, 1, 1, 16),
    Stage("inverted", 2, 3, 2, 6, 24),
    Stage("inverted", 3, 3, 2, 6, 32),
    Stage("inverted", 4, 3, 2, 6, 64),
    Stage("inverted", 3, 3, 1, 6, 96),
    Stage("inverted", 3, 3, 2, 6, 160),
    Stage("inverted", 1, 3, 1, 6, 320),
)
"""arXiv 1801.04381, table 2."""

EFFICIENTNET = (
    Stage("separable", 1, 3, 1, 1, 16, 0.25),
    Stage("inverted", 2, 3, 2, 6, 24, 0.25),
    Stage("inverted", 2, 5, 2, 6, 40, 0.25),
    Stage("inverted", 3, 3, 2, 6, 80, 0.25),
    Stage("inverted", 3, 5, 1, 6, 112, 0.25),
    Stage("inverted", 4, 5, 2, 6, 192, 0.25),
    Stage("inverted", 1, 3, 1, 6, 320, 0.25),
)
"""arXiv 1905.11946, table 1."""

EFFICIENTNET_EDGE = (
    Stage("edge", 1, 3, 1, 4, 24, skips=False, expand_from=24),
    Stage("edge", 2, 3, 2, 8, 32),
    Stage("edge", 4, 3, 2, 8, 48),
    Stage("inverted", 5, 5, 2, 8, 96),
    Stage("inverted", 4, 5, 1, 8, 144),
    Stage("inverted", 2, 5, 2, 8, 192),
)
"""EfficientNet-EdgeTPU, arXiv 2003.02838."""

EFFICIENTNET_V2_BASE = (
    Stage("plain", 1, 3, 1, 1, 16),
    Stage("edge", 2, 3, 2, 4, 32),
    Stage("edge", 2, 3, 2, 4, 48),
    Stage("inverted", 3, 3, 2, 4, 96, 0.25),
    Stage("inverted", 5, 3, 1, 6, 112, 0.25),
    Stage("inverted", 8, 3, 2, 6, 192, 0.25),
)

EFFICIENTNET_V2_S = (
    Stage("plain", 2, 3, 1, 1, 24),
    Stage("edge", 4, 3, 2, 4, 48),
    Stage("edge", 4, 3, 2, 4, 64),
    Stage("inverted", 6, 3, 2, 4, 128, 0.25),
    Stage("inverted", 9, 3, 1, 6, 160, 0.25),
    Stage("inverted", 15, 3, 2, 6, 256, 0.25),
)
"""arXiv 2104.00298, table 4."""

EFFICIENTNET_V2_M = (
    Stage("plain", 3, 3, 1, 1, 24),
    Stage("edge", 5, 3, 2, 4, 48),
    Stage("edge", 5, 3, 2, 4, 80),
    Stage("inverted", 7, 3, 2, 4, 160, 0.25),
    Stage("inverted", 14, 3, 1, 6, 176, 0.25),
    Stage("inverted", 18, 3, 2, 6, 304, 0.25),
    Stage("inverted", 5, 3, 1, 6, 512, 0.25),
)

MNASNET_A1 = (
    Stage("separable", 1, 3, 1, 1, 16, skips=False),
    Stage("inverted", 2, 3, 2, 6, 24),
    Stage("inverted", 3, 5, 2, 3, 40, 0.25),
    Stage("inverted", 4, 3, 2, 6, 80),
    Stage("inverted", 2, 3, 1, 6, 112, 0.25),
    Stage("inverted", 3, 5, 2, 6, 160, 0.25),
    Stage("inverted", 1, 3, 1, 6, 320),
)
"""arXiv 1807.11626, figure 7."""

SPNASNET = (
    Stage("separable", 1, 3, 1, 1, 16, skips=False),
    Stage("inverted", 3, 3, 2, 3, 24),
    Stage("inverted", 1, 5, 2, 6, 40),
    Stage("inverted", 3, 3, 1, 3, 40),
    Stage("inverted", 1, 5, 2, 6, 80),
    Stage("inverted", 3, 3, 1, 3, 80),
    Stage("inverted", 1, 5, 1, 6, 96),
    Stage("inverted", 3, 5, 1, 3, 96),
    Stage("inverted", 4, 5, 2, 6, 192),
    Stage("inverted", 1, 3, 1, 6, 320, skips=False),
)
"""Single-path NAS, arXiv 1904.02877, figure 5."""

FBNET_C = (
    Stage("inverted", 1, 3, 1, 1, 16),
    Stage("inverted", 1, 3, 2, 6, 24),
    Stage("inverted", 2, 3, 1, 1, 24),
    Stage("inverted", 1, 5, 2, 6, 32),
    Stage("inverted", 1, 5, 1, 3, 32),
    Stage("inverted", 1, 5, 1, 6, 32),
    Stage("inverted", 1, 3, 1, 6, 32),
    Stage("inverted", 1, 5, 2, 6, 64),
    Stage("inverted", 1, 5, 1, 3, 64),
    Stage("inverted", 2, 5, 1, 6, 64),
    Stage("inverted", 3, 5, 1, 6, 112),
    Stage("inverted", 1, 5, 1, 3, 112),
    Stage("inverted", 4, 5, 2, 6, 184),
    Stage("inverted", 1, 3, 1, 6, 352),
)
"""arXiv 1812.03443, figure 5."""

FBNET_V3_B = (
    Stage("separable", 2, 3, 1, 1, 16),
    Stage("inverted", 1, 5, 2, 4, 24),
    Stage("inverted", 3, 5, 1, 2, 24),
    Stage("inverted", 1, 5, 2, 5, 40, 0.25),
    Stage("inverted", 4, 5, 1, 3, 40, 0.25),
    Stage("inverted", 1, 5, 2, 5, 72),
    Stage("inverted", 4, 3, 1, 3, 72),
    Stage("inverted", 1, 3, 1, 5, 120, 0.25),
    Stage("inverted", 5, 5, 1, 3, 120, 0.25),
    Stage("inverted", 1, 3, 2, 6, 184, 0.25),
    Stage("inverted", 5, 5, 1, 4, 184, 0.25),
    Stage("inverted", 1, 5, 1, 6, 224, 0.25),
    Stage("pointwise", 1, 1, 1, 1, 1344),
)
"""arXiv 2006.02049, table 7."""
