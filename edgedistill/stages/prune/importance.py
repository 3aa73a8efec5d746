"""What makes a channel worth keeping.

Each measure gives a whole dependency group one number a channel, divided by their mean, so that
groups of one structure can be ranked together. The scale of batch norms (Network Slimming, arXiv
1708.06519) is not among them: it never beat magnitude (`benchmarks/prune_importance.py`), as it
asks for a training that makes scales sparse. Weights, gradients and curvature are summed by
torch-pruning's own classes; what layers are shown is read where it is read (`readers`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from edgedistill.stages.prune.readers import (
    input_effects,
    input_energies,
    read_energies,
    readers_of,
)
from edgedistill.stages.prune.samples import total_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from edgedistill.core.pruning import ImportanceName
    from edgedistill.stages.prune.samples import Samples

    Score = Callable[[Any], torch.Tensor | None]
    """Scores a whole dependency group, one number a channel; None where it cannot."""


def importance(kind: ImportanceName, graph: Any = None, samples: Samples | None = None) -> Score:
    """The measure of this name, for the groups of one network.

    Args:
        kind: As in the recipe.
        graph: torch-pruning's dependency graph of the network, which is in eval mode; every
            parameter wants a gradient.
        samples: What the network is shown; `magnitude` needs neither.

    Raises:
        ValueError: If a measure lacks what it needs.
    """
    if kind == "magnitude":
        return magnitude()
    if graph is None or samples is None:
        raise ValueError(f"{kind} needs the graph and samples")
    return _or_magnitude(_ON_SAMPLES[kind](graph, samples))


def magnitude() -> Score:
    """The squared L2 norm of all weights that belong to a channel, the mean of coupled layers.

    Fang et al. 2023, arXiv 2301.12900, section 4.2; with one layer a group it is the filter norm
    of Li et al. 2017, arXiv 1608.08710.
    """
    import torch_pruning

    score: Score = torch_pruning.importance.GroupMagnitudeImportance(p=2)
    return score


def taylor(graph: Any, samples: Samples) -> Score:
    """The squared change of the loss, to first order, when a channel is no longer heard.

    Molchanov et al. 2019, arXiv 1906.10771, equations 8 and 9, on gates, one for each channel of
    a group: the mean over samples of the square of what all its readers say together. (The
    library's own sums absolute values weight by weight and so misses that they cancel.)
    """
    effects = input_effects(graph.model, samples)

    def score(group: Any) -> torch.Tensor | None:
        together: Any = 0
        for layer, channels, roots in readers_of(graph, group):
            if layer in effects:
                together = together + _at(effects[layer][:, channels].double(), roots, group)
        return None if isinstance(together, int) else _relative((together**2).mean(0))

    return score


def hessian(graph: Any, samples: Samples) -> Score:
    """Squared weights by the loss's curvature, summed over all weights of a channel.

    Optimal Brain Damage, LeCun et al. 1989, equation 5, with the diagonal of the empirical Fisher
    matrix (the mean over samples of squared gradients) for that of the Hessian.
    """
    import torch_pruning

    curvature = _squared_gradients(graph.model, samples)
    # Its own accumulate_grad looks parameters up by name and finds none: only the last sample's
    # gradients would count. So the mean is handed to it where it looks for it.
    measure = torch_pruning.importance.GroupHessianImportance()

    def score(group: Any) -> torch.Tensor | None:
        for parameter, values in curvature.items():
            parameter.grad = values
        scores: torch.Tensor | None = measure(group)
        graph.model.zero_grad(set_to_none=True)
        return scores

    return score


def activation(graph: Any, samples: Samples) -> Score:
    """How much of its readers' input is a channel: squared weights by the mean square read.

    Wanda, Sun et al. 2024, arXiv 2306.11695, equation 1, squared and summed over the weights by
    which a channel is read.
    """
    energies = input_energies(graph.model, samples)

    def score(group: Any) -> torch.Tensor | None:
        together: Any = 0
        for layer, channels, roots in readers_of(graph, group):
            if layer in energies:
                heard = (energies[layer] * read_energies(layer))[channels]
                together = together + _at(heard, roots, group)
        return None if isinstance(together, int) else _relative(together)

    return score


_ON_SAMPLES: dict[str, Callable[[Any, Samples], Score]] = {
    "taylor": taylor,
    "hessian": hessian,
    "activation": activation,
}


def _or_magnitude(measure: Score) -> Score:
    """The measure, and magnitude for groups it says nothing about (nobody reads them).

    So every measure sees the same levers. Only groups of one structure are ranked together, and
    they are scored alike.
    """
    fallback = magnitude()

    def score(group: Any) -> torch.Tensor | None:
        scores = measure(group)
        return fallback(group) if scores is None else scores

    return score


def _at(values: torch.Tensor, roots: list[int], group: Any) -> torch.Tensor:
    """What stands in the last axis, brought to the group's channels."""
    whole = values.new_zeros(*values.shape[:-1], len(group[0].idxs))
    return whole.index_add_(-1, torch.tensor(roots), values)


def _relative(scores: torch.Tensor) -> torch.Tensor:
    mean = scores.mean()
    return scores / mean if mean > 0 else scores


def _squared_gradients(module: nn.Module, samples: Samples) -> dict[nn.Parameter, torch.Tensor]:
    """The mean over samples of each parameter's squared gradient."""
    parameters = list(module.parameters())
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    count = 0
    for inputs, labels in samples.batches(1):
        with torch.enable_grad():
            loss = total_loss(module, inputs, labels)
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for total, gradient in zip(sums, gradients, strict=True):
            if gradient is not None:
                total += gradient**2
        count += 1
    return {parameter: total / count for parameter, total in zip(parameters, sums, strict=True)}
