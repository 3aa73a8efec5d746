"""Which batch normalization ends up inside which layer, once the network is exported.

On the device a batch normalization after a layer is gone: its factors are in the layer's weights.
Those folded weights are what is rounded there. With one scale for all output channels it matters:
channels whose normalization divides by little take the range, and the others are left few steps.
Jacob et al. 2018 (arXiv 1712.05877, section 3.2); Krishnamoorthi 2018 (arXiv 1806.08342, section
3.2.2).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from edgedistill import models
from edgedistill.stages.distill.feed import evaluating

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

FOLDABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""Layers that take a batch normalization up."""


def folded_norms(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, str]:
    """Which batch normalization is folded into which layer, by the names of both.

    A layer takes up the normalization that alone reads what it gives, and that reads nothing else.
    The network is run once, in evaluation mode, to see who reads what.

    Args:
        module: The network; it is not changed.
        inputs: What it is called with, `[batch, ...]` by name; only the shapes matter.
    """
    seen = _Seen()
    names = {part: name for name, part in module.named_modules()}
    handles = []
    for part in names:
        if isinstance(part, FOLDABLE):
            handles.append(part.register_forward_hook(seen.given))
        elif isinstance(part, _BatchNorm):
            handles.append(part.register_forward_pre_hook(seen.taken))
    try:
        with evaluating(module), torch.no_grad(), _Reads(seen):
            models.logits(module, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return {names[layer]: names[norm] for layer, norm in seen.pairs()}


def folded_factors(norm: _BatchNorm) -> Tensor:
    """What folding multiplies the weights of each output channel by, `[channels]`.

    gamma / sqrt(variance + epsilon), of the running variance: that of the export.
    """
    assert norm.running_var is not None
    factors: Tensor = torch.rsqrt(norm.running_var + norm.eps)
    return factors * norm.weight.detach() if norm.affine else factors


@dataclass
class _Seen:
    """What one run of a network showed.

    Attributes:
        outputs: What each layer gave; held, so that no other tensor gets the same id.
        inputs: What each normalization took.
        reads: By id of a tensor, how many operators read it.
    """

    outputs: dict[nn.Module, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    inputs: dict[nn.Module, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    reads: dict[int, int] = field(default_factory=dict)

    def given(self, layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        """A hook for what a layer gives."""
        self.outputs[layer].append(output)
        self.reads[id(output)] = 0

    def taken(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """A hook for what a normalization takes."""
        self.inputs[norm].append(inputs[0])

    def pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Each layer with the normalization that it takes up."""
        return [
            (layer, norm)
            for layer, outputs in self.outputs.items()
            for norm, inputs in self.inputs.items()
            if _fit(layer, norm, outputs)
            and sorted(map(id, outputs)) == sorted(map(id, inputs))
            and all(self.reads[id(output)] == 1 for output in outputs)
        ]


class _Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operators that read a tensor that a layer gave."""

    def __init__(self, seen: _Seen) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reads = seen.reads

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        for read in {id(each) for each in tree_iter((args, kwargs)) if torch.is_tensor(each)}:
            if read in self._reads:
                self._reads[read] += 1
        return func(*args, **(kwargs or {}))


def _fit(layer: nn.Module, norm: nn.Module, outputs: list[Tensor]) -> bool:
    """Whether the channels of both are the same axis, and the normalization knows a variance."""
    assert isinstance(norm, _BatchNorm)
    ends_in_channels = not isinstance(layer, nn.Linear) or all(one.ndim == 2 for one in outputs)
    return ends_in_channels and norm.running_var is not None
