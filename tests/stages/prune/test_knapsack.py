from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.stages.prune.knapsack import Choice, Option, front

PARTS = st.lists(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=1, max_size=4),
    max_size=5,
)


def parts_of(numbers: list[list[tuple[int, int]]]) -> list[list[Option]]:
    return [
        [Option(width, float(cost), float(value)) for width, (cost, value) in enumerate(part)]
        for part in numbers
    ]


def best_by_hand(parts: list[list[Option]], budget: float) -> float | None:
    """The most that any of all choices within the budget is worth."""
    return max(
        (
            sum(option.value for option in chosen)
            for chosen in itertools.product(*parts)
            if sum(option.cost for option in chosen) <= budget
        ),
        default=None,
    )


def best_of(found: tuple[Choice, ...], budget: float) -> float | None:
    return max((one.value for one in found if one.cost <= budget), default=None)


@given(PARTS)
def test_the_front_holds_the_best_choice_of_every_budget(
    numbers: list[list[tuple[int, int]]],
) -> None:
    parts = parts_of(numbers)

    found = front(parts)

    for budget in range(-60, 61, 5):
        assert best_of(found, budget) == best_by_hand(parts, budget)


@given(PARTS)
def test_a_choice_costs_and_is_worth_what_its_widths_are(
    numbers: list[list[tuple[int, int]]],
) -> None:
    parts = parts_of(numbers)

    for choice in front(parts):
        assert len(choice.widths) == len(parts)
        chosen = [part[width] for part, width in zip(parts, choice.widths, strict=True)]
        assert choice.cost == sum(option.cost for option in chosen)
        assert choice.value == sum(option.value for option in chosen)


@given(PARTS)
def test_cost_and_worth_both_rise_along_the_front(numbers: list[list[tuple[int, int]]]) -> None:
    found = front(parts_of(numbers))

    for one, other in itertools.pairwise(found):
        assert one.cost < other.cost
        assert one.value < other.value


@pytest.mark.parametrize("states", [2, 8, 64])
def test_fewer_states_stay_within_their_steps_of_cost(states: int) -> None:
    generator = random.Random(0)
    parts = [
        [Option(width, width + generator.random(), width**0.5) for width in range(1, 9)]
        for _ in range(6)
    ]
    exact = front(parts, states=10**6)
    span = exact[-1].cost - exact[0].cost

    found = front(parts, states=states)

    assert len(found) <= states + 1
    assert found[0] == exact[0]
    assert found[-1].value == pytest.approx(exact[-1].value)
    for one in exact:
        slack = len(parts) * span / (states - 1)
        best = best_of(found, one.cost + slack)
        assert best is not None
        assert best >= one.value - 1e-9


def test_no_parts_leave_one_choice() -> None:
    assert front([]) == (Choice((), 0.0, 0.0),)
