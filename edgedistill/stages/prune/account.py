"""What a search has to show for itself: every network that was priced, the one taken, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.core.evidence import counted
from edgedistill.core.pruned import UNITS, Candidate, Pruned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.pruning import Prune
    from edgedistill.stages.prune.search import Widths
    from edgedistill.stages.prune.survey import Survey


WINDOW = 0.9
"""A cost between this share of what was asked and what was asked has reached it."""


@dataclass(frozen=True)
class Tried:
    """One network that was priced.

    Attributes:
        cost: In the goal's unit.
        form: The form in which it costs that.
        macs: Multiply-accumulates of one inference.
        parameters: What it learned.
        accuracy: Before recovery, where it was looked at.
    """

    cost: Quantity
    form: str
    macs: int
    parameters: int
    accuracy: float | None = None


def counted_cost(value: int, config: Prune) -> Quantity:
    """The cost of a network where the goal is a count."""
    return counted(value, f"{UNITS[config.goal]} counted in the network itself")


def account(
    found: Survey,
    config: Prune,
    tried: Mapping[Widths, Tried],
    *,
    chosen: Widths,
    unpruned: Quantity,
    margin: float = 1.0,
) -> Pruned:
    """The account of one search.

    Args:
        found: What could be narrowed.
        config: The goal.
        tried: All networks that were priced, the chosen one among them.
        chosen: The widths that were taken.
        unpruned: What the unpruned network costs.
        margin: At which share of the goal the search aimed, to leave room for noise.
    """
    ratio = config.goal.endswith("_ratio")
    limit = config.asked * unpruned.value if ratio else config.asked
    order = sorted(tried, key=lambda one: (tried[one].cost.value, found.kept_importance(one), one))
    costs = [tried[widths].cost.value for widths in order]
    at = order.index(chosen)
    wider = next((place for place, cost in enumerate(costs) if cost > limit), None)
    reached = WINDOW * limit <= costs[at] <= limit
    return Pruned(
        student="",
        goal=config.goal,
        asked=config.asked,
        limit=limit,
        unit=UNITS[config.goal],
        unpruned=unpruned,
        units=found.named(found.whole),
        candidates=_candidates(found, [(widths, tried[widths]) for widths in order]),
        chosen=at,
        reached=reached,
        reason="the unpruned network is within the goal, so nothing was cut"
        if chosen == found.whole
        else _reason(costs[at] / limit, margin, reached=reached, last=wider is None)
        + _below_step(found, config),
        wider=wider,
        narrower=next((place for place in reversed(range(at)) if costs[place] < costs[at]), None),
    )


def _candidates(found: Survey, tried: Sequence[tuple[Widths, Tried]]) -> tuple[Candidate, ...]:
    """All networks, the cheapest first, and which of them are on the front."""
    kept = [found.kept_importance(widths) for widths, _ in tried]
    return tuple(
        Candidate(
            widths=found.named(widths),
            cost=one.cost,
            form=one.form,
            macs=one.macs,
            parameters=one.parameters,
            kept_importance=min(1.0, kept[place]),
            accuracy=one.accuracy,
            on_front=all(kept[place] > other for other in kept[:place]),
        )
        for place, (widths, one) in enumerate(tried)
    )


def _below_step(found: Survey, config: Prune) -> str:
    """Which widths were allowed beside multiples; empty where none were needed."""
    if not found.limits.below_step:
        return ""
    many = config.multiple
    return (
        f"; multiples of {many} channels alone do not reach it, so fewer than {many} may stay too"
    )


def _reason(share: float, margin: float, *, reached: bool, last: bool) -> str:
    """Why the chosen network was chosen."""
    room = "" if margin == 1 else f", less {1 - margin:.0%} that leaves room for noise,"
    said = f"of the networks within the goal{room} it keeps the most importance, at {share:.1%}"
    if reached:
        return f"{said} of the goal"
    beside = "no wider one was found" if last else "the next wider one is beyond it"
    return f"{said} of the goal; {beside}"
