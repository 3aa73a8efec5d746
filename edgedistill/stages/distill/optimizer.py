"""The optimizer of a training, and which weights decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from edgedistill.core.learning import Training

_MOMENTUM = 0.9
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def optimizer_of(module: nn.Module, training: Training) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019), or SGD with Nesterov momentum of 0.9.

    Biases and the scales of normalizations do not decay: a decay there changes what a layer can
    say and not how large its weights are (He et al. 2019, arXiv 1812.01187, section 3.1).
    """
    decaying, free = decay_groups(module)
    groups: list[dict[str, Any]] = [
        {"params": decaying, "weight_decay": training.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=training.learning_rate, momentum=_MOMENTUM, nesterov=True, fused=True
        )
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)


def decay_groups(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters that learn: those that decay, and those that do not, each named once."""
    in_norms = {
        id(parameter)
        for part in module.modules()
        if isinstance(part, _NORMS)
        for parameter in part.parameters(recurse=False)
    }
    decaying: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        spared = parameter.ndim <= 1 or id(parameter) in in_norms or name.endswith("bias")
        (free if spared else decaying).append(parameter)
    return decaying, free
