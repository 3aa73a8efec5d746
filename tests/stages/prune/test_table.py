from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.stages.prune.levers import Lever, Limits
from edgedistill.stages.prune.search import kept_shares, lever_weights
from edgedistill.stages.prune.table import (
    filled,
    narrowest_on,
    options,
    probes,
    repaired,
)

LIMITS = Limits(max_channel_ratio=0.9)
POINTS = st.dictionaries(st.integers(1, 64), st.floats(0.01, 2), min_size=1, max_size=12)


def lever(units: int, *, step: int = 1, score: float = 1.0, scope: str = "a") -> Lever:
    members = tuple((at,) for at in range(units))
    return Lever("x", members, tuple(score * (1 + at) for at in range(units)), (scope,), step)


@given(POINTS)
def test_no_width_that_is_left_costs_as_much_as_a_wider_one(points: dict[int, float]) -> None:
    left = repaired(points)

    assert list(left) == sorted(left, reverse=True)
    for wider, narrower in itertools.pairwise(left):
        assert left[narrower] < left[wider]


@given(POINTS)
def test_a_width_goes_only_where_a_wider_one_is_as_cheap(points: dict[int, float]) -> None:
    left = repaired(points)

    assert set(left.items()) <= set(points.items())
    for width in points.keys() - left.keys():
        assert any(left[wider] <= points[width] for wider in left if wider > width)


@given(POINTS)
def test_between_points_costs_lie_on_straight_lines_that_rise_with_the_width(
    points: dict[int, float],
) -> None:
    left = repaired(points)

    costs = filled(left, range(1, 65))

    assert list(costs) == [w for w in range(64, 0, -1) if min(left) <= w <= max(left)]
    for wider, narrower in itertools.pairwise(costs):
        assert costs[narrower] <= costs[wider] + 1e-12
    for width, cost in left.items():
        assert costs[width] == cost


def test_the_middle_of_two_points_costs_their_mean() -> None:
    assert filled({10: 3.0, 2: 1.0}, (2, 6, 10)) == {10: 3.0, 6: 2.0, 2: 1.0}


@pytest.mark.parametrize(
    ("units", "step", "widths"),
    [(10, 4, (4, 8, 10)), (8, 4, (4, 8)), (3, 8, (3,)), (16, 1, (*range(2, 17),))],
)
def test_allowed_widths_are_multiples_and_the_whole(
    units: int, step: int, widths: tuple[int, ...]
) -> None:
    assert lever(units, step=step).widths(LIMITS) == widths


@pytest.mark.parametrize(
    ("units", "step", "widths"),
    [
        (32, 8, (4, 8, 16, 24, 32)),
        (16, 8, (2, 4, 8, 16)),
        (6, 8, (1, 2, 4, 6)),
        (24, 12, (3, 6, 12, 24)),
        (64, 8, (8, 16, 24, 32, 40, 48, 56, 64)),
        (9, 1, (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    ],
)
def test_below_a_step_a_lever_may_become_its_halves_within_the_largest_share(
    units: int, step: int, widths: tuple[int, ...]
) -> None:
    limits = Limits(max_channel_ratio=0.9, below_step=True)

    assert lever(units, step=step).widths(limits) == widths


def test_what_is_less_than_a_step_is_on_every_grid() -> None:
    limits = Limits(max_channel_ratio=0.9, below_step=True)
    levers = [lever(32, step=8), lever(128, step=8)]

    assert narrowest_on(levers, limits, 1) == (4, 16)
    assert narrowest_on(levers, limits, 2) == (4, 16)
    (first, _) = options(levers, limits, {(4, 128): 0.5}, every=2)
    assert [one.width for one in first] == [32, 16, 4]


def test_the_narrowest_network_of_a_grid_keeps_to_it() -> None:
    levers = [lever(32, step=4), lever(12, step=4), lever(6, step=4)]

    assert narrowest_on(levers, LIMITS, 1) == (4, 4, 4)
    assert narrowest_on(levers, LIMITS, 2) == (8, 8, 6)


def test_each_lever_is_probed_alone_from_its_narrowest_on() -> None:
    levers = [lever(32, step=8), lever(16, step=8), lever(8, step=8)]

    found = probes(levers, LIMITS, networks=6)

    assert found == ((8, 16, 8), (16, 16, 8), (32, 8, 8))
    assert probes(levers, LIMITS, networks=1) == ((8, 16, 8), (32, 8, 8))
    assert len(probes([lever(64, step=8)], LIMITS, networks=4)) == 4


def test_options_save_what_was_measured_and_are_worth_what_they_keep() -> None:
    levers = [lever(8, step=4), lever(4, step=2, scope="b")]
    shares = {(4, 4): 0.7, (8, 2): 0.9, (4, 2): 0.5}  # the last narrows both: no point of a lever

    first, second = options(levers, LIMITS, shares)

    assert [(one.width, one.cost) for one in first] == [(8, 0.0), (4, pytest.approx(-0.3))]
    assert [(one.width, one.cost) for one in second] == [(4, 0.0), (2, pytest.approx(-0.1))]
    assert first[1].value == pytest.approx(math.log((5 + 6 + 7 + 8) / 36))


def test_what_saves_nothing_is_no_option() -> None:
    ((only,),) = options([lever(8, step=4)], LIMITS, {(4,): 1.01})

    assert only.width == 8


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20))
def test_kept_shares_rise_from_almost_nothing_to_all(scores: list[float]) -> None:
    one = Lever("x", tuple((at,) for at in range(len(scores))), tuple(scores), ("a",), 1)

    shares = kept_shares(one)

    assert len(shares) == len(scores) + 1
    assert shares[-1] == 1.0
    assert shares[0] > 0
    assert all(less <= more for less, more in itertools.pairwise(shares))


def test_the_worthiest_units_are_counted_first() -> None:
    one = Lever("x", ((0,), (1,), (2,)), (1.0, 3.0, 6.0), ("a",), 1)

    assert kept_shares(one)[1:] == pytest.approx([0.6, 0.9, 1.0])
    nothing = Lever("x", ((0,), (1,)), (0.0, 0.0), ("a",), 1)
    assert kept_shares(nothing)[1:] == pytest.approx([0.5, 1.0])


def test_levers_weigh_by_their_scores_within_their_scope() -> None:
    levers = [lever(4, score=1), lever(4, score=3), lever(4, score=100, scope="b")]

    assert lever_weights(levers) == pytest.approx([0.5, 1.5, 1.0])
