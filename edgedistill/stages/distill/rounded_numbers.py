"""How real numbers are rounded to few bits, so that a network can learn with it.

Jacob et al. 2018 (arXiv 1712.05877), section 3. Forward the numbers are rounded; backward the
gradient goes straight through (Bengio et al. 2013, arXiv 1308.3432). Nothing is clipped, for ranges
are those of the numbers at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
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


def round_weights(weight: Tensor, rounding: Rounding, factors: Tensor | None = None) -> Tensor:
    """Weights as few bits hold them.

    Args:
        weight: `[out, ...]`
        rounding: How numbers are rounded.
        factors: Of a normalization that will be folded in, `[out]`: the weights are multiplied by
            them, rounded, and divided by them again.
    """
    held = weight.detach()
    if factors is None:
        return _straight_through(weight, _weights_in_range(held, rounding))
    factors = factors.reshape(-1, *[1] * (held.dim() - 1))
    rounded = _weights_in_range(held * factors, rounding) / factors
    # nobody hears a channel whose factor is 0
    return _straight_through(weight, torch.where(factors == 0, held, rounded))


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


def _weights_in_range(weight: Tensor, rounding: Rounding) -> Tensor:
    levels = rounding.weight_levels
    rows = weight.flatten(1) if rounding.per_channel else weight.reshape(1, -1)
    shape = [len(rows)] + [1] * (weight.dim() - 1)
    if rounding.symmetric_weights:
        scale = rows.abs().amax(1).reshape(shape).clamp(min=_SMALLEST_RANGE) / levels
        return (weight / scale).round().clamp(-levels, levels) * scale
    low, high = rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)
    return _in_range(weight, low.reshape(shape), high.reshape(shape), 2 * levels + 1)


def _in_range(values: Tensor, low: Tensor, high: Tensor, steps: int) -> Tensor:
    """The values rounded to so many steps between two bounds, 0 among them."""
    scale = (high - low).clamp(min=_SMALLEST_RANGE) / steps
    zero = (-low / scale).round()
    return ((values / scale + zero).round().clamp(0, steps) - zero) * scale


def _straight_through(values: Tensor, rounded: Tensor) -> Tensor:
    """The rounded values, whose gradient is that of the values."""
    return values + (rounded - values).detach()
