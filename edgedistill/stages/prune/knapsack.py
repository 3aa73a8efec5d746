"""Which width for each part: the choices that no other choice beats in both cost and worth.

A multiple-choice knapsack, as in HALP (Shen et al. 2021, arXiv 2110.10811, section 3.2): of each
part exactly one width is taken. All budgets are answered at once, by merging the parts' fronts one
after the other (Nemhauser & Ullmann 1969, *Management Science* 15:494-505).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_STATES = 4096
"""So many partial choices are kept; of more, the best in each of so many equal steps of cost."""


@dataclass(frozen=True)
class Option:
    """One width of one part.

    Attributes:
        width: Units that stay.
        cost: What the network costs with it, more or less than with another option.
        value: What it is worth.
    """

    width: int
    cost: float
    value: float


@dataclass(frozen=True)
class Choice:
    """One option of every part.

    Attributes:
        widths: Units that stay in each part.
        cost: The sum of the options' costs.
        value: The sum of their values.
    """

    widths: tuple[int, ...]
    cost: float
    value: float


def front(parts: Sequence[Sequence[Option]], *, states: int = MOST_STATES) -> tuple[Choice, ...]:
    """The choices of which no other costs as little and is worth as much, the cheapest first.

    Exact as long as no more than `states` partial choices are on the front; beyond, the cost may
    lie above the best by a `states`-th of the whole span for each part.

    Args:
        parts: The options of each part, at least one each.
        states: How many partial choices are kept.
    """
    costs, values = np.zeros(1), np.zeros(1)
    trail: list[tuple[np.ndarray, np.ndarray]] = []
    for options in parts:
        own_costs = np.array([option.cost for option in options])
        own_values = np.array([option.value for option in options])
        all_costs = (costs[:, None] + own_costs).ravel()
        all_values = (values[:, None] + own_values).ravel()
        kept = _thinned(all_costs, _undominated(all_costs, all_values), states)
        costs, values = all_costs[kept], all_values[kept]
        trail.append(np.divmod(kept, len(options)))
    return tuple(
        Choice(_widths(parts, trail, at), float(costs[at]), float(values[at]))
        for at in range(len(costs))
    )


def _undominated(costs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Places of the choices on the front, by rising cost and rising value."""
    order = np.lexsort((-values, costs))
    ranked = values[order]
    best_before = np.maximum.accumulate(np.concatenate(([-np.inf], ranked[:-1])))
    found: np.ndarray = order[ranked > best_before]
    return found


def _thinned(costs: np.ndarray, places: np.ndarray, states: int) -> np.ndarray:
    """At most so many of the places: the dearest, which is worth most, in each step of cost."""
    if len(places) <= states:
        return places
    along = costs[places]
    steps = np.floor((along - along[0]) / (along[-1] - along[0]) * (states - 1)).astype(np.int64)
    last_of_step = np.append(steps[1:] != steps[:-1], True)
    last_of_step[0] = True  # the cheapest of all stays reachable
    found: np.ndarray = places[last_of_step]
    return found


def _widths(
    parts: Sequence[Sequence[Option]], trail: Sequence[tuple[np.ndarray, np.ndarray]], at: int
) -> tuple[int, ...]:
    """The widths that led to a choice, read backwards."""
    widths = []
    for options, (before, taken) in zip(reversed(parts), reversed(trail), strict=True):
        widths.append(options[taken[at]].width)
        at = before[at]
    return tuple(reversed(widths))
