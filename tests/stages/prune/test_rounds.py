from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edgedistill.core.pruning import Prune
from edgedistill.models.signature import Signature
from edgedistill.stages.prune.levers import Lever, Limits
from edgedistill.stages.prune.rounds import scored_in_rounds
from edgedistill.stages.prune.samples import Samples
from edgedistill.stages.prune.search import widths_at
from edgedistill.stages.prune.survey import survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.data.dataset import Dataset

LIMITS = Limits(max_channel_ratio=0.95)
PICTURES = Signature({"input": (1, 8, 8)}, 10)


def lever(scores: Sequence[float], scope: str = "a") -> Lever:
    members = tuple((at,) for at in range(len(scores)))
    return Lever("x", members, tuple(scores), (scope,), 1)


def staying(lever: Lever, kept: int) -> list[int]:
    return sorted(set(range(lever.units)) - set(lever.removed(kept)))


def test_one_round_leaves_the_scores_as_they_are() -> None:
    levers = (lever([3, 1, 2]),)

    assert scored_in_rounds(levers, LIMITS, 1, lambda *_: pytest.fail("told again")) == levers


def test_what_stays_is_scored_anew_and_what_is_gone_stays_gone() -> None:
    def upside_down(levers: Sequence[Lever], widths: Sequence[int]) -> list[list[float]]:
        (one,), (kept,) = levers, widths
        return [[9.0 - one.scores[unit] for unit in staying(one, kept)]]

    (scored,) = scored_in_rounds((lever([1, 2, 3, 4]),), LIMITS, 2, upside_down)

    assert scored.scores == (1, 2, 6, 5)
    assert staying(scored, 1) == [2]


def test_a_unit_that_stays_is_worth_more_than_what_went_before_it() -> None:
    (scored,) = scored_in_rounds((lever([1, 2, 3, 4]),), LIMITS, 2, lambda *_: [[0.5, 0.1]])

    assert scored.scores == pytest.approx((1, 2, 2.4, 2), abs=1e-9)
    assert min(scored.scores[2:]) > 2


@given(
    st.lists(st.lists(st.floats(0.1, 4), min_size=4, max_size=9), min_size=1, max_size=3),
    st.integers(2, 6),
    st.randoms(use_true_random=False),
)
def test_what_went_in_one_round_never_comes_back(
    scores: list[list[float]], rounds: int, random: object
) -> None:
    seen: list[tuple[tuple[int, ...], list[list[int]]]] = []

    def at_random(levers: Sequence[Lever], widths: tuple[int, ...]) -> list[list[float]]:
        seen.append((widths, [staying(*pair) for pair in zip(levers, widths, strict=True)]))
        return [[random.uniform(0.1, 4) for _ in range(kept)] for kept in widths]

    levers = tuple(lever(one, scope=str(at)) for at, one in enumerate(scores))
    final = scored_in_rounds(levers, LIMITS, rounds, at_random)

    for widths, stayed in seen:
        for one, kept, units in zip(final, widths, stayed, strict=True):
            assert staying(one, kept) == units


def two_layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 10)
    ).eval()


def test_rounds_tell_importance_on_the_network_that_is_left(digits: Dataset) -> None:
    """With two rounds the order is that of a second look at the half-pruned network."""
    module = two_layers()
    samples = Samples(digits.train, 32, PICTURES)
    config = Prune(macs_ratio=0.5, importance="taylor", round_to=1)
    once = survey(module, PICTURES, config, samples)
    half = widths_at(once.levers, 0.5, once.limits)

    twice = survey(module, PICTURES, config.model_copy(update={"rounds": 2}), samples)
    again = survey(once.network(half).eval(), PICTURES, config, samples)

    for before, after, left, kept in zip(
        once.levers, twice.levers, again.levers, half, strict=True
    ):
        assert staying(after, kept) == staying(before, kept)
        fresh = np.array([after.scores[unit] for unit in staying(after, kept)])
        lifts = fresh - left.scores
        assert lifts == pytest.approx(np.full(kept, lifts.mean()), abs=1e-9)
        assert lifts.mean() >= 0


def test_local_takes_the_same_share_of_each_layer_and_global_does_not() -> None:
    module = two_layers()
    with torch.no_grad():
        module[3].weight[:, 6:] *= 0.01
        module[1].weight[6:] *= 0.01
    found = {
        scope: survey(module, PICTURES, Prune(macs_ratio=0.5, scope=scope, round_to=1))
        for scope in ("global", "local")
    }

    widths = {
        scope: dict(
            zip(
                (lever.layer for lever in one.levers),
                widths_at(one.levers, 0.25, one.limits),
                strict=True,
            )
        )
        for scope, one in found.items()
    }

    assert widths["local"] == {"1": 9, "3": 9}
    assert widths["global"] == {"1": 6, "3": 12}
