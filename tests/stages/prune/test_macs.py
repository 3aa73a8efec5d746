from __future__ import annotations

import torch
from torch import nn

from edgedistill.stages.prune.macs import count_macs, count_parameters


def test_convolutions_and_linear_layers_count_as_their_closed_form() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 16, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    ).eval()

    macs = count_macs(network, {"input": torch.zeros(1, 3, 10, 10)})

    dense, depthwise, pointwise = 100 * 27 * 8, 25 * 9 * 8, 25 * 8 * 16
    assert macs == dense + depthwise + pointwise + 16 * 5


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(12, 3 * 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        queries, keys, values = self.project(x).chunk(3, dim=-1)
        return nn.functional.scaled_dot_product_attention(queries, keys, values).mean(1)


def test_the_two_products_inside_attention_count() -> None:
    macs = count_macs(SelfAttention().eval(), {"input": torch.zeros(1, 7, 12)})

    assert macs == 7 * 12 * 24 + 2 * 7 * 7 * 8


def test_running_statistics_are_no_parameters() -> None:
    assert count_parameters(nn.BatchNorm2d(6)) == 12
