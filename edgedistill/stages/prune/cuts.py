"""From widths to a smaller network, by the same steps that rebuild it later."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgedistill.models.signature import example_inputs
from edgedistill.models.surgery import replay, set_attention_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.models.signature import Signature
    from edgedistill.models.surgery import History
    from edgedistill.stages.prune.levers import Lever
    from edgedistill.stages.prune.search import Widths


@dataclass(frozen=True)
class Cuts:
    """What is removed from a network.

    Attributes:
        history: The channels, layer by layer.
        attention_heads: Heads left in each attention module that loses some.
    """

    history: History
    attention_heads: dict[str, int]


def dependency_graph(module: nn.Module, signature: Signature) -> Any:
    """torch-pruning's dependency graph of a network, traced on one sample of zeros.

    Args:
        module: The network, in eval mode; every parameter must want a gradient, which tracing
            follows.
        signature: What it takes.
    """
    import torch_pruning

    graph = torch_pruning.DependencyGraph()
    with torch.enable_grad():
        graph.build_dependency(
            module,
            example_inputs=example_inputs(module, signature),
            output_transform=lambda answer: getattr(answer, "logits", answer),
            verbose=False,
        )
    return graph


def cuts_for(levers: Sequence[Lever], widths: Widths) -> Cuts:
    """What must go for the levers to have these widths (in units)."""
    narrowed = [
        (lever, kept) for lever, kept in zip(levers, widths, strict=True) if kept < lever.units
    ]
    return Cuts(
        history=tuple((lever.layer, True, tuple(lever.removed(kept))) for lever, kept in narrowed),
        attention_heads={
            attention.name: kept for lever, kept in narrowed for attention in lever.attention
        },
    )


def cut(module: nn.Module, signature: Signature, cuts: Cuts) -> nn.Module:
    """A copy of the network without what is cut.

    Raises:
        InputError: If the network cannot be cut like this.
    """
    smaller = copy.deepcopy(module)
    replay(smaller, signature, cuts.history)
    set_attention_heads(smaller, cuts.attention_heads)
    return smaller


def layer_widths(module: nn.Module) -> dict[str, int]:
    """Output channels of every convolution and linear layer, by name."""
    return {
        name: layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
        for name, layer in module.named_modules()
        if isinstance(layer, nn.modules.conv._ConvNd | nn.Linear)
    }
