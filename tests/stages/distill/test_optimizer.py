from __future__ import annotations

import pytest
import torch
from torch import nn

from edgedistill.core.learning import Training
from edgedistill.stages.distill.optimizer import decay_groups, optimizer_of


def network() -> nn.Module:
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.LayerNorm([4, 6, 6]),
        nn.Flatten(),
        nn.Linear(144, 3),
    )
    module[0].weight.requires_grad_(requires_grad=False)
    return module


def test_only_weights_decay() -> None:
    module = network()
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    decaying, free = ([names[id(p)] for p in group] for group in decay_groups(module))
    assert decaying == ["4.weight"]
    assert free == ["0.bias", "1.weight", "1.bias", "2.weight", "2.bias", "4.bias"]


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_step_is_the_published_one(name: str) -> None:
    """One step from rest, written out: decay first (AdamW), or within the gradient (SGD)."""
    linear = nn.Linear(2, 1).double()
    start, bias = linear.weight.detach().clone(), linear.bias.detach().clone()
    training = Training.model_validate(
        {"epochs": 1, "optimizer": name, "learning_rate": 0.1, "weight_decay": 0.5}
    )
    linear(torch.tensor([[3.0, -2.0]], dtype=torch.float64)).sum().backward()
    optimizer_of(linear, training).step()
    gradient = torch.tensor([[3.0, -2.0]], dtype=torch.float64)
    if name == "adamw":
        weight = start * (1 - 0.1 * 0.5) - 0.1 * gradient.sign()
        expected_bias = bias - 0.1
    else:
        weight = start - 0.1 * 1.9 * (gradient + 0.5 * start)
        expected_bias = bias - 0.1 * 1.9
    torch.testing.assert_close(linear.weight.detach(), weight, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(linear.bias.detach(), expected_bias, rtol=1e-6, atol=1e-7)
