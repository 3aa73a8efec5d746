"""Training in the numbers that the device will have: weights and activations are rounded.

Quantization-aware training as Jacob et al. 2018 (arXiv 1712.05877, section 3) describe it, with the
weights of every convolution and linear layer rounded here and activations in `rounded_activations`.

A batch normalization that will be folded into a layer stays where it is, and the rounding knows of
it: the weights are multiplied by the factors that folding will multiply them by, rounded, and
divided by them again. All batch normalizations take their running statistics and leave them, as
the device does (Krishnamoorthi 2018, arXiv 1806.08342, section 3.2.2, which freezes them after a
while): those of a batch hide what rounding does to means, and what is learned with them may be far
off without.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from edgedistill.stages.distill.folding import FOLDABLE, folded_factors
from edgedistill.stages.distill.rounded_activations import rounded_activations
from edgedistill.stages.distill.rounded_numbers import round_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from edgedistill.stages.distill.rounded_numbers import Rounding


@contextmanager
def fake_quantization(
    module: nn.Module, rounding: Rounding, folded: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Inside, the network computes with rounded weights and activations; after it, as before.

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
    for name, layer in layers.items():
        norm = parts.get((folded or {}).get(name, ""))
        weights = _Weights(rounding, norm if isinstance(norm, _BatchNorm) else None)
        parametrize.register_parametrization(layer, "weight", weights, unsafe=True)
    try:
        with rounded_activations(module, rounding), _settled(module):
            yield
    finally:
        for layer in layers.values():
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


@contextmanager
def _settled(module: nn.Module) -> Iterator[None]:
    """Inside, batch normalizations take their running statistics, also in training."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    training = [norm.training for norm in norms]

    def settle(*_: object) -> None:
        for norm in norms:
            norm.training = False

    handle = module.register_forward_pre_hook(settle)
    try:
        yield
    finally:
        handle.remove()
        for norm, before in zip(norms, training, strict=True):
            norm.training = before


class _Weights(nn.Module):
    """Rounds the weights of a layer as the device will have them, normalization folded in."""

    def __init__(self, rounding: Rounding, norm: _BatchNorm | None) -> None:
        super().__init__()
        self._rounding = rounding
        self._norm = (norm,)  # in a tuple, for it is part of the network and not of this

    def forward(self, weight: Tensor) -> Tensor:
        (norm,) = self._norm
        factors = None if norm is None else folded_factors(norm)
        return round_weights(weight, self._rounding, factors)
