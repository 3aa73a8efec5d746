"""Training in the numbers that the device will have: weights and inputs are rounded.

Quantization-aware training as Jacob et al. 2018 (arXiv 1712.05877, section 3) describe it: forward,
weights and inputs of every convolution and linear layer are rounded; backward, the gradient goes
straight through what was not clipped.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils import parametrize

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROUNDED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_SMALLEST_RANGE = 1e-8


@dataclass(frozen=True)
class Rounding:
    """How real numbers are rounded.

    Attributes:
        activation_levels: Steps between the least and the greatest activation: 255 in eight bits.
        symmetric_activations: Whether their range is as wide below 0 as above it.
        per_channel: Whether each output channel has a weight scale of its own. With it, rounding
            before a batch normalization is rounding of the folded weights: the scales take up the
            normalization's factor. Without it the two differ.
        weight_levels: Positive levels of the weights: 127, or 63 where their range is reduced.
    """

    activation_levels: int
    symmetric_activations: bool
    per_channel: bool
    weight_levels: int


@contextmanager
def fake_quantization(module: nn.Module, rounding: Rounding) -> Iterator[None]:
    """Inside, the network computes with rounded weights and inputs; after it, as before.

    The range of an activation is that of the batch at hand, so that there is no state to keep:
    calibration on the finished network decides the ranges that ship.

    Args:
        module: The network; it is changed while inside. Its weights are the unrounded ones all
            along, under other names inside.
        rounding: How numbers are rounded.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _ROUNDED)]
    handles = []
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", _Weights(rounding), unsafe=True)
        handles.append(layer.register_forward_pre_hook(_inputs_rounded(rounding)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer in layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


class _Weights(nn.Module):
    """Symmetric rounding of weights [out, ...]."""

    def __init__(self, rounding: Rounding) -> None:
        super().__init__()
        self._rounding = rounding

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        levels = self._rounding.weight_levels
        size = weight.detach().abs()
        if self._rounding.per_channel:
            greatest = size.flatten(1).amax(1).reshape(-1, *[1] * (weight.dim() - 1))
        else:
            greatest = size.amax()
        scale = greatest.clamp(min=_SMALLEST_RANGE) / levels
        return _straight_through(weight, (weight / scale).round().clamp(-levels, levels) * scale)


def _inputs_rounded(rounding: Rounding) -> Any:
    """A hook that rounds the first input of a layer."""

    def hook(_layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (round_activations(inputs[0], rounding), *inputs[1:])

    return hook


def round_activations(values: torch.Tensor, rounding: Rounding) -> torch.Tensor:
    """The values as few bits hold them, in the range of the tensor; the range holds 0.

    Signed or unsigned is the same here: it moves all steps by as many.

    Args:
        values: Any shape.
        rounding: How numbers are rounded.
    """
    seen = values.detach()
    low, high = seen.amin().clamp(max=0), seen.amax().clamp(min=0)
    if rounding.symmetric_activations:
        high = torch.maximum(-low, high)
        half = rounding.activation_levels // 2
        scale = high.clamp(min=_SMALLEST_RANGE) / half
        return _straight_through(values, (values / scale).round().clamp(-half, half) * scale)
    scale = (high - low).clamp(min=_SMALLEST_RANGE) / rounding.activation_levels
    zero = (-low / scale).round()
    rounded = (values / scale + zero).round().clamp(0, rounding.activation_levels)
    return _straight_through(values, (rounded - zero) * scale)


def _straight_through(values: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
    """The rounded values, whose gradient is that of the values (Bengio et al. 2013, 1308.3432)."""
    return values + (rounded - values).detach()
