"""What the readers of a channel see: the layers that a channel's values flow into.

A channel that goes is one that its readers no longer hear. So what it is worth is looked for
there, whatever gave it: a dense or a depthwise convolution, several layers whose sum it is, a
concatenation, or a head of an attention.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgedistill.models.signature import logits
from edgedistill.stages.prune.samples import total_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgedistill.stages.prune.samples import Samples

    Seen = dict[nn.Module, torch.Tensor]

READERS = (nn.modules.conv._ConvNd, nn.Linear)


def readers_of(graph: Any, group: Any) -> Iterator[tuple[nn.Module, list[int], list[int]]]:
    """The layers that read a group's channels.

    Yields:
        The layer, which of its input channels are the group's, and the group's channel of each.
    """
    for at, (dep, channels) in enumerate(group):
        layer = dep.target.module
        roots = group[at].root_idxs
        if isinstance(layer, READERS) and not graph.is_out_channel_pruning_fn(dep.handler):
            yield layer, list(channels), list(roots)


def input_effects(module: nn.Module, samples: Samples) -> Seen:
    """By how much the loss would change, to first order, without each input channel of a layer.

    Value times gradient, summed over all positions: the derivative of a gate on the channel as
    this layer reads it (Molchanov et al. 2019, arXiv 1906.10771, section 3.1).

    Returns:
        For each reader [samples, input channels].
    """
    parts: dict[nn.Module, list[torch.Tensor]] = {}
    for inputs, labels in samples.batches():
        effects: Seen = {}

        def watch(layer: nn.Module, values: torch.Tensor, effects: Seen = effects) -> None:
            def keep(gradient: torch.Tensor) -> None:
                effect = _per_channel(layer, values.detach() * gradient)
                effects[layer] = effects[layer] + effect if layer in effects else effect

            if values.requires_grad:
                values.register_hook(keep)  # type: ignore[no-untyped-call]

        with _watched(module, watch), torch.enable_grad():
            loss = total_loss(module, inputs, labels)
            torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
        for layer, effect in effects.items():
            parts.setdefault(layer, []).append(effect)
    return {layer: torch.cat(effects) for layer, effects in parts.items()}


def input_energies(module: nn.Module, samples: Samples) -> Seen:
    """The mean square of each input channel of each layer, over all samples and positions.

    Returns:
        For each reader [input channels].
    """
    sums: Seen = {}
    counts: dict[nn.Module, int] = {}

    def watch(layer: nn.Module, values: torch.Tensor) -> None:
        energy = _per_channel(layer, values.double() ** 2).sum(0)
        sums[layer] = sums[layer] + energy if layer in sums else energy
        counts[layer] = counts.get(layer, 0) + values.numel() // len(energy)

    for inputs, _ in samples.batches():
        with _watched(module, watch), torch.no_grad():
            logits(module, inputs)
    return {layer: energy / counts[layer] for layer, energy in sums.items()}


def read_energies(layer: nn.Module) -> torch.Tensor:
    """The sum of squares of the weights with which a layer reads each input channel.

    Returns:
        [input channels].
    """
    if isinstance(layer, nn.Linear):
        return (layer.weight.detach().double() ** 2).sum(0)
    if not isinstance(layer, nn.modules.conv._ConvNd):
        raise TypeError(f"{type(layer).__name__} reads no channels")
    weight = layer.weight.detach().double() ** 2
    if layer.transposed:
        return weight.flatten(1).sum(1)
    outputs = len(weight) // layer.groups
    by_group: torch.Tensor = weight.flatten(2).sum(2).reshape(layer.groups, outputs, -1)
    return by_group.sum(1).flatten()


def _per_channel(layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
    """Sums [batch, ...] over positions, to [batch, channels]."""
    by_channel = values if isinstance(layer, nn.Linear) else values.movedim(1, -1)
    return by_channel.flatten(1, -2).sum(1) if by_channel.dim() > 2 else by_channel


@contextmanager
def _watched(module: nn.Module, watch: Callable[[nn.Module, torch.Tensor], None]) -> Iterator[None]:
    """Shows each reader's input on its way in, as a tensor that nobody else reads."""

    def alone(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        values = inputs[0].view_as(inputs[0])
        watch(layer, values)
        return (values, *inputs[1:])

    hooks = [
        layer.register_forward_pre_hook(alone)
        for layer in module.modules()
        if isinstance(layer, READERS)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
