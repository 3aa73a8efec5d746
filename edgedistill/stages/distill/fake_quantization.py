"""Training in the numbers that the device will have: weights and inputs are rounded.

Quantization-aware training as Jacob et al. 2018 (arXiv 1712.05877, section 3) describe it: forward,
weights and inputs of every convolution and linear layer are rounded; backward, the gradient goes
straight through. Nothing is clipped, for the ranges are those of the numbers at hand.

A batch normalization that will be folded into a layer stays where it is, and learns from the batch
as ever. Only the rounding knows of it: the weights are multiplied by the factors that folding will
multiply them by, rounded, and divided by them again (Krishnamoorthi 2018, arXiv 1806.08342, section
3.2.2).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from edgedistill.stages.distill.folding import FOLDABLE, folded_factors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

_SMALLEST_RANGE = 1e-8


@dataclass(frozen=True)
class Rounding:
    """How real numbers are rounded.

    Attributes:
        activation_levels: Steps between the least and the greatest activation: 255 in eight bits.
        symmetric_activations: Whether their range is as wide below 0 as above it.
        per_channel: Whether each output channel has a weight scale of its own.
        weight_levels: Positive levels of the weights: 127, or 63 where their range is reduced.
        symmetric_weights: Whether the range of the weights is as wide below 0 as above it; else it
            is what they need, in as many levels.
    """

    activation_levels: int
    symmetric_activations: bool
    per_channel: bool
    weight_levels: int
    symmetric_weights: bool = True


@contextmanager
def fake_quantization(
    module: nn.Module, rounding: Rounding, folded: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Inside, the network computes with rounded weights and inputs; after it, as before.

    The range of an activation is that of the batch at hand, so that there is no state to keep:
    calibration on the finished network decides the ranges that ship.

    Args:
        module: The network; it is changed while inside. Its weights are the unrounded ones all
            along, under other names inside.
        rounding: How numbers are rounded.
        folded: Which batch normalization the export folds into which layer, by their names, see
            `folding`.
    """
    parts = dict(module.named_modules())
    layers = {name: part for name, part in parts.items() if isinstance(part, FOLDABLE)}
    handles = []
    for name, layer in layers.items():
        norm = parts.get((folded or {}).get(name, ""))
        weights = _Weights(rounding, norm if isinstance(norm, _BatchNorm) else None)
        parametrize.register_parametrization(layer, "weight", weights, unsafe=True)
        handles.append(layer.register_forward_pre_hook(_inputs_rounded(rounding)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer in layers.values():
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


class _Weights(nn.Module):
    """Rounding of weights [out, ...] as the device will have them, normalization folded in."""

    def __init__(self, rounding: Rounding, norm: _BatchNorm | None) -> None:
        super().__init__()
        self._rounding = rounding
        self._norm = (norm,)  # in a tuple, for it is part of the network and not of this

    def forward(self, weight: Tensor) -> Tensor:
        (norm,) = self._norm
        held = weight.detach()
        if norm is None:
            return _straight_through(weight, self._rounded(held))
        factors = folded_factors(norm).reshape(-1, *[1] * (held.dim() - 1))
        rounded = self._rounded(held * factors) / factors
        # nobody hears a channel whose factor is 0
        return _straight_through(weight, torch.where(factors == 0, held, rounded))

    def _rounded(self, weight: Tensor) -> Tensor:
        levels = self._rounding.weight_levels
        rows = weight.flatten(1) if self._rounding.per_channel else weight.reshape(1, -1)
        shape = [len(rows)] + [1] * (weight.dim() - 1)
        if self._rounding.symmetric_weights:
            greatest = rows.abs().amax(1).reshape(shape)
            scale = greatest.clamp(min=_SMALLEST_RANGE) / levels
            return (weight / scale).round().clamp(-levels, levels) * scale
        low, high = rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)
        return _in_range(weight, low.reshape(shape), high.reshape(shape), 2 * levels + 1)


def _inputs_rounded(rounding: Rounding) -> Any:
    """A hook that rounds the first input of a layer."""

    def hook(_layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (round_activations(inputs[0], rounding), *inputs[1:])

    return hook


def round_activations(values: Tensor, rounding: Rounding) -> Tensor:
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
    return _straight_through(values, _in_range(values, low, high, rounding.activation_levels))


def _in_range(values: Tensor, low: Tensor, high: Tensor, steps: int) -> Tensor:
    """The values rounded to so many steps between two bounds, 0 among them."""
    scale = (high - low).clamp(min=_SMALLEST_RANGE) / steps
    zero = (-low / scale).round()
    return ((values / scale + zero).round().clamp(0, steps) - zero) * scale


def _straight_through(values: Tensor, rounded: Tensor) -> Tensor:
    """The rounded values, whose gradient is that of the values (Bengio et al. 2013, 1308.3432)."""
    return values + (rounded - values).detach()
