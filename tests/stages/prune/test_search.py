from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.stages.prune.levers import Lever, Limits
from edgedistill.stages.prune.search import largest_within, narrowest, widths_at

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits(max_channel_ratio=0.9)


def quiet(amount: int = 1, *, note: str = "") -> None:
    del amount, note


def lever(scores: list[float], *, step: int = 1, scope: str = "a") -> Lever:
    return Lever("x", tuple((at,) for at in range(len(scores))), tuple(scores), (scope,), step)


@st.composite
def some_levers(draw: st.DrawFn) -> list[Lever]:
    scores = st.lists(st.floats(0.01, 4), min_size=2, max_size=12)
    return [
        lever(draw(scores), step=draw(st.integers(1, 4)), scope=draw(st.sampled_from("ab")))
        for _ in range(draw(st.integers(1, 4)))
    ]


def chained(levers: list[Lever]) -> Callable[[tuple[int, ...]], int]:
    """Costs as in a chain of dense layers: neighbouring widths multiplied."""

    def cost(widths: tuple[int, ...]) -> int:
        return sum(a * b for a, b in itertools.pairwise((3, *widths, 10)))

    return cost


def test_units_of_one_scope_are_ranked_together() -> None:
    levers = [lever([1, 2, 3, 4]), lever([0.5, 0.6, 5, 6]), lever([0.1, 0.1, 9, 9], scope="b")]

    assert widths_at(levers, 0.5, LIMITS) == (2, 2, 2)
    assert widths_at(levers, 0.25, LIMITS) == (4, 2, 3)
    assert widths_at(levers, 0.0, LIMITS) == (4, 4, 4)


@given(some_levers(), st.floats(0, 1), st.floats(0, 1))
def test_no_lever_grows_when_more_is_pruned(levers: list[Lever], one: float, other: float) -> None:
    less, more = sorted((one, other))

    wide, narrow = widths_at(levers, less, LIMITS), widths_at(levers, more, LIMITS)

    assert all(a >= b for a, b in zip(wide, narrow, strict=True))
    assert widths_at(levers, 1.0, LIMITS) == narrowest(levers, LIMITS)


@given(some_levers(), st.floats(0.05, 0.99))
def test_the_network_found_fits_and_no_lever_can_grow(levers: list[Lever], share: float) -> None:
    cost = chained(levers)
    whole = tuple(one.units for one in levers)
    limit = share * cost(whole)

    found = largest_within(levers, LIMITS, cost=cost, limit=limit, advance=quiet)

    if found is None:
        assert cost(narrowest(levers, LIMITS)) > limit
        return
    assert cost(found) <= limit
    for at, one in enumerate(levers):
        wider = min(found[at] + one.step, one.units)
        if wider > found[at]:
            assert cost((*found[:at], wider, *found[at + 1 :])) > limit


@given(some_levers(), st.floats(0.05, 0.99))
def test_it_is_at_least_as_large_as_every_fitting_network_on_the_ratio(
    levers: list[Lever], share: float
) -> None:
    cost = chained(levers)
    limit = share * cost(tuple(one.units for one in levers))
    found = largest_within(levers, LIMITS, cost=cost, limit=limit, advance=quiet)
    on_the_way = [cost(widths_at(levers, step / 200, LIMITS)) for step in range(201)]
    fitting = [spent for spent in on_the_way if spent <= limit]

    assert (found is None) == (not fitting)
    if found is not None:
        assert cost(found) >= max(fitting)


def test_each_set_of_widths_is_costed_once() -> None:
    asked: list[tuple[int, ...]] = []

    def cost(widths: tuple[int, ...]) -> int:
        asked.append(widths)
        return sum(widths)

    levers = [lever([0.1 * at for at in range(1, 33)], step=8), lever([0.3] * 16, step=8)]
    largest_within(levers, LIMITS, cost=cost, limit=20, advance=quiet)

    assert len(asked) == len(set(asked))


def test_nothing_to_prune_reaches_nothing() -> None:
    found = largest_within([], LIMITS, cost=lambda _: 10, limit=9, advance=quiet)

    assert found is None


def test_a_lever_that_rounding_cannot_narrow_stays() -> None:
    assert widths_at([lever([1, 2, 3], step=8)], 0.9, LIMITS) == (3,)
    assert widths_at([lever([float(x) for x in range(12)], step=8)], 0.3, LIMITS) == (8,)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.8, 1.0])
def test_heads_are_whole(ratio: float) -> None:
    heads = Lever("q", ((0, 1), (2, 3), (4, 5)), (0.3, 0.2, 0.9), ("heads",), 1)

    (kept,) = widths_at([heads], ratio, LIMITS)

    assert 1 <= kept <= 3
    assert len(heads.removed(kept)) == 2 * (3 - kept)
