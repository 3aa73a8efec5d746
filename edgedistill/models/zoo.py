"""The built-in networks: small, honest, made from what a data set says about itself.

All of them are plain chains of convolution, batch norm, ReLU, addition, pooling and linear
layers, so that channels can be pruned, the graph exports without surprises, and every heavy
operator has an int8 form. No layer works in place: tracing a linear layer whose output an
in-place ReLU overwrites loses the layer, and then nothing is pruned.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import nn

from edgedistill.core.strict import Strict
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.teacher import Argument
    from edgedistill.models.signature import Signature


class ResidualArguments(Strict):
    """Arguments of `builtin:residual-cnn`."""

    width: int = Field(default=32, ge=1, le=4096)
    """Channels of the first stage; each further stage doubles them."""
    depth: int = Field(default=1, ge=1, le=100)
    """Residual blocks per stage."""
    stages: int = Field(default=3, ge=1, le=6)
    """Stages; each but the first halves height and width."""
    stem_stride: Literal[1, 2, 4] = 1
    """Stride of the first convolution: 1 for small pictures, 2 or 4 for large ones."""


class DepthwiseArguments(Strict):
    """Arguments of `builtin:depthwise-cnn`."""

    width: int = Field(default=32, ge=1, le=4096)
    """Channels of the first stage; each further stage doubles them."""
    depth: int = Field(default=2, ge=1, le=100)
    """Depthwise-separable blocks per stage."""
    stages: int = Field(default=3, ge=1, le=6)
    """Stages; each but the first halves height and width."""
    stem_stride: Literal[1, 2, 4] = 1
    """Stride of the first convolution: 1 for small pictures, 2 or 4 for large ones."""
    residual: bool = False
    """Adds a block's input to its output where the shapes agree."""


class MlpArguments(Strict):
    """Arguments of `builtin:mlp`."""

    width: int = Field(default=128, ge=1, le=65536)
    """Neurons of each hidden layer."""
    depth: int = Field(default=2, ge=1, le=100)
    """Hidden layers."""


def _convolution(inputs: int, outputs: int, *, stride: int, kernel: int = 3) -> nn.Sequential:
    """A convolution without bias, then batch norm; keeps the size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


def _stem(channels: int, width: int, stride: int) -> nn.Sequential:
    """The first layer: its kernel covers every pixel at strides above 1."""
    kernel = 3 if stride == 1 else 2 * stride - 1
    return nn.Sequential(*_convolution(channels, width, stride=stride, kernel=kernel), nn.ReLU())


class Head(nn.Module):
    """Global average over height and width, then one linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to [batch, classes]."""
        y: torch.Tensor = self.linear(x.mean((2, 3)))
        return y


class ResidualBlock(nn.Module):
    """The basic block of He et al. 2016 (arXiv 1512.03385), with a projected shortcut."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, stride=stride)
        self.second = _convolution(outputs, outputs, stride=1)
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = (
            nn.Identity() if same else _convolution(inputs, outputs, stride=stride, kernel=1)
        )
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, inputs, height, width] to [batch, outputs, height/stride, width/stride]."""
        y = self.second(self.relu(self.first(x)))
        z: torch.Tensor = self.relu(y + self.shortcut(x))
        return z


class DepthwiseBlock(nn.Module):
    """A depthwise, then a pointwise convolution (Howard et al. 2017, arXiv 1704.04861)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, residual: bool) -> None:
        super().__init__()
        self.depthwise = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
        )
        self.pointwise = _convolution(inputs, outputs, stride=1, kernel=1)
        self.relu = nn.ReLU()
        self.residual = residual and inputs == outputs and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, inputs, height, width] to [batch, outputs, height/stride, width/stride]."""
        y = self.pointwise(self.depthwise(x))
        z: torch.Tensor = self.relu(y + x if self.residual else y)
        return z


def _steps(width: int, depth: int, stages: int) -> list[tuple[int, int, int]]:
    """(inputs, outputs, stride) of each block: stages double the width and halve the size."""
    steps: list[tuple[int, int, int]] = []
    inputs = width
    for stage in range(stages):
        outputs = width * 2**stage
        for block in range(depth):
            steps.append((inputs, outputs, 2 if stage > 0 and block == 0 else 1))
            inputs = outputs
    return steps


def _residual_cnn(signature: Signature, given: ResidualArguments) -> nn.Module:
    channels = next(iter(signature.inputs.values()))[0]
    steps = _steps(given.width, given.depth, given.stages)
    blocks = [ResidualBlock(inputs, outputs, stride=stride) for inputs, outputs, stride in steps]
    return nn.Sequential(
        _stem(channels, given.width, given.stem_stride),
        *blocks,
        Head(steps[-1][1], signature.classes),
    )


def _depthwise_cnn(signature: Signature, given: DepthwiseArguments) -> nn.Module:
    channels = next(iter(signature.inputs.values()))[0]
    steps = _steps(given.width, given.depth, given.stages)
    blocks = [
        DepthwiseBlock(inputs, outputs, stride=stride, residual=given.residual)
        for inputs, outputs, stride in steps
    ]
    return nn.Sequential(
        _stem(channels, given.width, given.stem_stride),
        *blocks,
        Head(steps[-1][1], signature.classes),
    )


def _mlp(signature: Signature, given: MlpArguments) -> nn.Module:
    shape = next(iter(signature.inputs.values()))
    features = math.prod(shape)
    layers: list[nn.Module] = [nn.Flatten(1)] if len(shape) > 1 else []
    for _ in range(given.depth):
        layers += [nn.Linear(features, given.width), nn.ReLU()]
        features = given.width
    return nn.Sequential(*layers, nn.Linear(features, signature.classes))


_ARGUMENTS: dict[str, type[Strict]] = {
    "residual-cnn": ResidualArguments,
    "depthwise-cnn": DepthwiseArguments,
    "mlp": MlpArguments,
}


def names() -> tuple[str, ...]:
    """The built-in networks, as they stand after `builtin:`."""
    return tuple(_ARGUMENTS)


def arguments(name: str, given: Mapping[str, Argument], *, field: str = "student") -> Strict:
    """The network's arguments with defaults filled in.

    Args:
        name: What stands after `builtin:`.
        given: The recipe's `args`.
        field: Where the model stands in the recipe, for the error.

    Raises:
        InputError: If the name or an argument is unknown, or a value is out of range.
    """
    if name not in _ARGUMENTS:
        close = difflib.get_close_matches(name, _ARGUMENTS, n=1)
        known = ", ".join(f"builtin:{known}" for known in _ARGUMENTS)
        raise InputError(
            Fault(
                field=f"{field}.source",
                given=f"builtin:{name}",
                problem="is not a built-in network",
                remedy=f"Did you mean 'builtin:{close[0]}'?" if close else f"Known: {known}",
            )
        )
    try:
        return _ARGUMENTS[name].read(dict(given), file="")
    except InputError as error:
        faults = [
            dataclasses.replace(fault, file=None, field=f"{field}.args.{fault.field}")
            for fault in error.faults
        ]
        raise InputError(*faults) from error


def construct(
    name: str, given: Mapping[str, Argument], signature: Signature, *, field: str = "student"
) -> nn.Module:
    """A built-in network with fresh weights, drawn from torch's generator as it stands.

    Raises:
        InputError: If the name or an argument is unknown, or the network cannot take the inputs.
    """
    filled = arguments(name, given, field=field)
    _check_inputs(name, signature, field)
    if isinstance(filled, ResidualArguments):
        module = _residual_cnn(signature, filled)
    elif isinstance(filled, DepthwiseArguments):
        module = _depthwise_cnn(signature, filled)
    elif isinstance(filled, MlpArguments):
        module = _mlp(signature, filled)
    else:
        raise TypeError(name)
    initialize(module)
    return module


def initialize(module: nn.Module) -> None:
    """Draws weights after He et al. 2015 (arXiv 1502.01852); the last layer is drawn for unit gain.

    Convolutions keep the variance of gradients (equation 14: fan-out, per group where they are
    depthwise), linear layers that of activations (equation 10: fan-in). Batch norm starts as the
    identity.
    """
    linear: nn.Linear | None = None
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            height, width = layer.kernel_size
            fan_out = layer.out_channels // layer.groups * height * width
            nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_out))
        elif isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            linear = layer
    if linear is not None:
        nn.init.kaiming_normal_(linear.weight, mode="fan_in", nonlinearity="linear")


def _check_inputs(name: str, signature: Signature, field: str) -> None:
    shapes = list(signature.inputs.values())
    if len(shapes) == 1 and (name == "mlp" or len(shapes[0]) == 3):
        return
    given = ", ".join(f"{key} {list(shape)}" for key, shape in signature.inputs.items())
    wanted = "one input" if name == "mlp" else "one picture [channels, height, width]"
    raise InputError(
        Fault(
            field=f"{field}.source",
            given=f"builtin:{name}",
            problem=f"takes {wanted}, but the data gives {given}",
            remedy="Use builtin:mlp for arrays that are no pictures, or preprocess the data into "
            "pictures with layout: nchw",
        )
    )
