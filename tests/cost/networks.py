"""Networks by their papers, with random weights, for comparison with published operator lists."""

from __future__ import annotations

import onnx
import onnx.parser
import torch
from torch import nn


def normalized(
    channels: tuple[int, int], kernel: int, stride: int = 1, **more: int
) -> list[nn.Module]:
    """A convolution and its batch norm, whose shift is not zero: zeros would be left out."""
    convolution = nn.Conv2d(
        *channels, kernel, stride, padding=kernel // 2, groups=more.get("groups", 1), bias=False
    )
    norm = nn.BatchNorm2d(channels[1])
    nn.init.uniform_(norm.bias, 0.1, 1.0)
    return [convolution, norm]


class Residual(nn.Module):
    """The basic block of He et al. (2015), figure 2."""

    def __init__(self, channels: tuple[int, int], stride: int) -> None:
        super().__init__()
        width = channels[1]
        self.body = nn.Sequential(
            *normalized(channels, 3, stride), nn.ReLU(), *normalized((width, width), 3)
        )
        same = stride == 1 and channels[0] == width
        self.short = nn.Identity() if same else nn.Sequential(*normalized(channels, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.short(x))


def resnet18() -> nn.Module:
    """He et al. (2015), table 1."""
    layers = [*normalized((3, 64), 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for width in (64, 128, 256, 512):
        layers += [Residual((before, width), 1 + (before != width)), Residual((width, width), 1)]
        before = width
    return classifier(layers, 512, 1000)


def classifier(layers: list[nn.Module], width: int, classes: int) -> nn.Module:
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *pooled, nn.Linear(width, classes), nn.Softmax(1))


class Inverted(nn.Module):
    """The bottleneck of Sandler et al. (2018), table 1."""

    def __init__(self, channels: tuple[int, int], stride: int, expansion: int) -> None:
        super().__init__()
        width = channels[0] * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [*normalized((channels[0], width), 1), nn.ReLU6()]
        layers += [*normalized((width, width), 3, stride, groups=width), nn.ReLU6()]
        layers += normalized((width, channels[1]), 1)
        self.body = nn.Sequential(*layers)
        self.residual = stride == 1 and channels[0] == channels[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.residual else self.body(x)


def mobilenet_v2() -> nn.Module:
    """Sandler et al. (2018), table 2, with the 1,001 classes of the published list."""
    layers = [*normalized((3, 32), 3, 2), nn.ReLU6()]
    before = 32
    for expansion, width, number, stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for place in range(number):
            layers.append(Inverted((before, width), 1 if place else stride, expansion))
            before = width
    layers += [*normalized((320, 1280), 1), nn.ReLU6()]
    return classifier(layers, 1280, 1001)


def vgg16() -> onnx.ModelProto:
    """Simonyan and Zisserman (2014), table 1 D, with weights that are computed: 550 MB less."""
    parts: list[str] = []
    x, channels = "input", 3

    def weight(name: str, shape: tuple[int, ...]) -> str:
        parts.append(
            f"{name}_s = Constant <value_ints=[{','.join(map(str, shape))}]> ()"
            f" {name} = ConstantOfShape ({name}_s)"
        )
        return name

    for block, (width, number) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        for place in range(number):
            name = f"c{block}{place}"
            kernel = weight(f"{name}_w", (width, channels, 3, 3))
            parts.append(f"{name} = Conv <pads=[1,1,1,1]> ({x}, {kernel}) {name}_r = Relu ({name})")
            x, channels = f"{name}_r", width
        parts.append(f"p{block} = MaxPool <kernel_shape=[2,2], strides=[2,2]> ({x})")
        x = f"p{block}"
    parts.append(f"flat = Flatten ({x})")
    x = "flat"
    for place, shape in enumerate(((25088, 4096), (4096, 4096), (4096, 1000))):
        name = f"f{place}"
        parts.append(f"{name} = Gemm ({x}, {weight(f'{name}_w', shape)})")
        if place < 2:
            parts.append(f"{name}_r = Relu ({name})")
        x = f"{name}_r" if place < 2 else name
    parts.append(f"out = Softmax ({x})")
    header = '<ir_version: 10, opset_import: ["" : 18]> g'
    ends = "(float[N,3,224,224] input) => (float[N,1000] out)"
    return onnx.parser.parse_model(f"{header} {ends} {{ {' '.join(parts)} }}")
