"""Small networks of the structures that people prune, on pictures of 8 by 8 pixels, 10 classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable


def normalized(
    inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution that keeps the size at stride 1, and its batch norm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Pooled(nn.Module):
    """Global average, then one linear layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.mean((2, 3)))


class Bottleneck(nn.Module):
    """ResNet's block (arXiv 1512.03385), with groups that of ResNeXt (arXiv 1611.05431)."""

    def __init__(
        self, inputs: int, inner: int, outputs: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.reduce = normalized(inputs, inner)
        self.spatial = normalized(inner, inner, 3, stride=stride, groups=groups)
        self.expand = normalized(inner, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else normalized(inputs, outputs, stride=stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.spatial(torch.relu(self.reduce(x))))
        return torch.relu(self.expand(y) + self.shortcut(x))


class Basic(nn.Module):
    """ResNet's block of two 3x3 convolutions, whose input and output share their channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = normalized(width, width, 3)
        self.second = normalized(width, width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def resnet() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(normalized(1, 16, 3), nn.ReLU()),
        Basic(16),
        Bottleneck(16, 16, 32, stride=2),
        Bottleneck(32, 16, 32),
        Pooled(32),
    )


def resnext() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(normalized(1, 16, 3), nn.ReLU()),
        Bottleneck(16, 32, 32, groups=4),
        Bottleneck(32, 32, 32, stride=2, groups=4),
        Pooled(32),
    )


class InvertedResidual(nn.Module):
    """MobileNetV2's block (arXiv 1801.04381): wide inside, a linear narrow end."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.expand = nn.Sequential(normalized(inputs, 4 * inputs), nn.ReLU6())
        self.depthwise = nn.Sequential(
            normalized(4 * inputs, 4 * inputs, 3, stride=stride, groups=4 * inputs), nn.ReLU6()
        )
        self.project = normalized(4 * inputs, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


def mobilenet_v2() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(normalized(1, 8, 3), nn.ReLU6()),
        InvertedResidual(8, 8),
        InvertedResidual(8, 16, stride=2),
        InvertedResidual(16, 16),
        nn.Sequential(normalized(16, 32), nn.ReLU6()),
        Pooled(32),
    )


class ConvNextBlock(nn.Module):
    """ConvNeXt's block (arXiv 2201.03545): linear layers on channels last, and a layer scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(nn.functional.gelu(self.widen(y)))
        return x + y.permute(0, 3, 1, 2)


class ChannelNorm(nn.Module):
    """ConvNeXt's layer norm over the channels of channels-first features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convnext() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 2, stride=2),
        ChannelNorm(16),
        ConvNextBlock(16),
        ChannelNorm(16),
        nn.Conv2d(16, 24, 2, stride=2),
        ConvNextBlock(24),
        ConvNextBlock(24),
        Pooled(24),
    )


class DenseLayer(nn.Module):
    """DenseNet's layer (arXiv 1608.06993): its output is laid beside its input."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(inputs)
        self.narrow = nn.Conv2d(inputs, 2 * growth, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(2 * growth)
        self.grow = nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.narrow(torch.relu(self.first_norm(x)))
        return torch.cat([x, self.grow(torch.relu(self.second_norm(y)))], dim=1)


def densenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        DenseLayer(16, 8),
        DenseLayer(24, 8),
        nn.Sequential(nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 16, 1), nn.AvgPool2d(2)),
        DenseLayer(16, 8),
        DenseLayer(24, 8),
        nn.Sequential(nn.BatchNorm2d(32), nn.ReLU()),
        Pooled(32),
    )


class UNet(nn.Module):
    """U-Net's skips (arXiv 1505.04597): transposed convolutions up, joined to what went down."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = normalized(1, 16, 3)
        self.down2 = normalized(16, 24, 3)
        self.bottom = normalized(24, 32, 3)
        self.up2 = nn.ConvTranspose2d(32, 24, 2, stride=2)
        self.join2 = normalized(48, 24, 3)
        self.up1 = nn.ConvTranspose2d(24, 16, 2, stride=2)
        self.join1 = normalized(32, 16, 3)
        self.head = Pooled(16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = torch.relu(self.down1(x))
        middle = torch.relu(self.down2(nn.functional.max_pool2d(fine, 2)))
        coarse = torch.relu(self.bottom(nn.functional.max_pool2d(middle, 2)))
        y = torch.relu(self.join2(torch.cat([self.up2(coarse), middle], dim=1)))
        return self.head(torch.relu(self.join1(torch.cat([self.up1(y), fine], dim=1))))


class FusedAttention(nn.Module):
    """Attention as timm's vision transformers have it: one projection to queries, keys, values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.head_dim = width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(queries, keys, values)
        return self.proj(y.transpose(1, 2).reshape(batch, tokens, -1))


class EncoderBlock(nn.Module):
    """A transformer's block with the norms before (arXiv 2010.11929)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = FusedAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


class FusedVit(nn.Module):
    """A vision transformer in plain torch, with a class token and learned positions."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, stride=2)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 17, width))
        self.blocks = nn.Sequential(EncoderBlock(width, heads), EncoderBlock(width, heads))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.class_token.expand(len(y), -1, -1), y], dim=1) + self.positions
        return self.head(self.norm(self.blocks(y))[:, 0])


class Squeezed(nn.Module):
    """Squeeze and excitation (arXiv 1709.01507): each channel is scaled by what all of them say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = normalized(width, width, 3)
        self.squeeze = nn.Conv2d(width, width // 2, 1)
        self.excite = nn.Conv2d(width // 2, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.convolution(x))
        scale = self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True))))
        return y * torch.sigmoid(scale)


def squeezed() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(normalized(1, 16, 3), nn.ReLU()), Squeezed(16), Squeezed(16), Pooled(16)
    )


def flattened() -> nn.Module:
    """VGG's end (arXiv 1409.1556): the whole feature map goes into a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 16, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": resnet,
    "mobilenet-v2": mobilenet_v2,
    "convnext": convnext,
    "densenet": densenet,
    "resnext": resnext,
    "u-net": UNet,
    "fused-vit": FusedVit,
    "squeeze-excite": squeezed,
    "flattened": flattened,
}
