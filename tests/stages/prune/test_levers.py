from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edgedistill.models.signature import Signature
from edgedistill.stages.prune.cuts import dependency_graph
from edgedistill.stages.prune.importance import importance
from edgedistill.stages.prune.levers import Lever, Limits, find_levers
from edgedistill.stages.prune.search import widths_at

if TYPE_CHECKING:
    from edgedistill.stages.prune.levers import Untouched


def lever(scores: list[float], *, step: int = 1, scope: str = "a", layer: str = "x") -> Lever:
    return Lever(
        layer=layer,
        members=tuple((at,) for at in range(len(scores))),
        scores=tuple(scores),
        scope=(scope,),
        step=step,
    )


def survey(
    module: nn.Module,
    shape: tuple[int, ...],
    *,
    keep: tuple[nn.Module, ...] = (),
    round_to: int = 1,
) -> tuple[dict[str, Lever], dict[str, Untouched]]:
    module.eval().requires_grad_(requires_grad=True)
    graph = dependency_graph(module, Signature({"input": shape}, 3))
    levers, untouched = find_levers(
        graph, keep=keep, round_to=round_to, score=importance("magnitude")
    )
    return {x.layer: x for x in levers}, {x.layer: x for x in untouched}


def test_no_lever_loses_more_than_the_largest_share() -> None:
    assert lever([1.0] * 30).narrowest(Limits(0.9)) == 3
    assert lever([1.0] * 30, step=8).narrowest(Limits(0.9)) == 8
    assert lever([1.0] * 64, step=8).narrowest(Limits(0.5)) == 32
    assert lever([1.0] * 6, step=8).narrowest(Limits(0.9)) == 6


@given(
    units=st.integers(2, 100),
    step=st.integers(1, 16),
    share=st.floats(0.05, 0.95),
    narrow=st.integers(0, 100),
    wide=st.integers(0, 100),
)
def test_rounding_keeps_the_order_and_the_limits(
    units: int, step: int, share: float, narrow: int, wide: int
) -> None:
    pulled, limits = lever([1.0] * units, step=step), Limits(share)
    narrow, wide = sorted((min(narrow, units), min(wide, units)))

    rounded = pulled.rounded(narrow, limits)

    assert rounded <= pulled.rounded(wide, limits)
    assert rounded == units or rounded % step == 0
    assert units * (1 - share) - 1e-6 <= rounded <= units
    assert pulled.rounded(units, limits) == units


def test_the_least_worthy_units_go_with_all_their_channels() -> None:
    blocks = Lever("x", ((0, 3), (1, 4), (2, 5)), (0.5, 0.1, 0.9), ("a",), 1)

    assert blocks.removed(1) == [0, 1, 3, 4]
    assert blocks.removed(3) == []


def test_equal_scores_are_decided_by_position() -> None:
    assert lever([1.0, 1.0, 1.0]).removed(1) == [0, 1]


def test_a_chain_scores_a_neuron_by_the_weights_that_come_in_and_go_out() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(4, 6), nn.Linear(6, 3)

    levers, untouched = survey(nn.Sequential(first, nn.ReLU(), second), (4,))

    incoming = first.weight.detach().numpy().astype(np.float64)
    outgoing = second.weight.detach().numpy().astype(np.float64)
    norms = ((incoming**2).sum(1) + (outgoing**2).sum(0)) / 2
    assert levers["0"].scores == pytest.approx(norms / norms.mean(), rel=1e-5)
    assert untouched["2"].reason == "it gives the network's output"


def test_layers_that_are_kept_are_no_levers() -> None:
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.Linear(6, 3))

    levers, untouched = survey(network, (4,), keep=(network[0],))

    assert set(levers) == {"2"}
    assert untouched["0"].reason == "the recipe keeps it"


class Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 12, 3, padding=1)
        self.grouped = nn.Conv2d(12, 12, 3, padding=1, groups=2)
        self.norm = nn.GroupNorm(3, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.stem(x))
        return self.head(torch.relu(y + self.norm(self.grouped(y))).mean((2, 3)))


def test_grouped_layers_lose_the_same_channels_in_every_block() -> None:
    levers, _ = survey(Grouped(), (1, 8, 8), round_to=4)

    (only,) = levers.values()
    assert only.members == ((0, 2, 4, 6, 8, 10), (1, 3, 5, 7, 9, 11))
    assert only.step == 2


class Multiplied(nn.Module):
    """A depthwise convolution that makes two channels of each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.depthwise = nn.Conv2d(6, 12, 3, padding=1, groups=6)
        self.point = nn.Conv2d(12, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.depthwise(torch.relu(self.stem(x))))
        return self.head(torch.relu(self.point(y)).mean((2, 3)))


def test_channels_that_a_depthwise_layer_multiplies_stay_and_the_next_ones_go() -> None:
    levers, untouched = survey(Multiplied(), (1, 8, 8))

    assert "point" in levers
    assert untouched["stem"].reason == "its channels cannot be told apart"


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 16)
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(self.embed(x)).mean(1))


def test_beside_an_attention_of_torch_only_the_feed_forward_width_moves() -> None:
    levers, untouched = survey(Encoder(), (5, 4))

    assert set(levers) == {"layer.linear1"}
    assert "MultiheadAttention" in untouched["layer.linear2"].reason


class OwnAttention(nn.Module):
    """An attention that does not say how many heads it has."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(8, 24)
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.project(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        return self.out(y.transpose(1, 2).flatten(2).mean(1))


def test_an_attention_whose_heads_are_unknown_is_left_alone() -> None:
    levers, untouched = survey(OwnAttention(), (5, 8))

    assert not levers
    assert "heads could not be told" in untouched["project"].reason


def test_a_group_of_zeros_is_worth_nothing_and_goes_first() -> None:
    torch.manual_seed(0)
    dead, between, live = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
    for parameter in (dead.weight, dead.bias, between.weight):
        nn.init.zeros_(parameter)

    levers, _ = survey(nn.Sequential(dead, nn.ReLU(), between, nn.ReLU(), live), (4,))

    assert levers["0"].scores == (0.0,) * 6
    assert min(levers["2"].scores) > 0
    assert widths_at([levers["2"], levers["0"]], 0.25, Limits(0.9)) == (6, 3)
