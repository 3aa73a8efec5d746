"""What a search has to show for itself: every network that was priced, the one taken, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.core.evidence import counted
from edgedistill.core.pruned import UNITS, Candidate, Pruned
from edgedistill.stages.prune.priced import WINDOW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.recipe import Prune
    from edgedistill.stages.prune.search import Widths
    from edgedistill.stages.prune.survey import Survey


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
) -> Pruned:
    """The account of one search.

    Args:
        found: What could be narrowed.
        config: The goal.
        tried: All networks that were priced, the chosen one among them.
        chosen: The widths that were taken.
        unpruned: What the unpruned network costs.
    """
    ratio = config.goal.endswith("_ratio")
    limit = config.asked * unpruned.value if ratio else config.asked
    order = sorted(tried, key=lambda one: (tried[one].cost.value, found.kept_importance(one), one))
    kept = [found.kept_importance(widths) for widths in order]
    costs = [tried[widths].cost.value for widths in order]
    at = order.index(chosen)
    wider = next((place for place, cost in enumerate(costs) if cost > limit), None)
    narrower = next((place for place in reversed(range(at)) if costs[place] < costs[at]), None)
    whole = chosen == found.whole
    reached = WINDOW * limit <= costs[at] <= limit
    return Pruned(
        student="",
        goal=config.goal,
        asked=config.asked,
        limit=limit,
        unit=UNITS[config.goal],
        unpruned=unpruned,
        units=found.named(found.whole),
        candidates=tuple(
            Candidate(
                widths=found.named(widths),
                cost=tried[widths].cost,
                form=tried[widths].form,
                macs=tried[widths].macs,
                parameters=tried[widths].parameters,
                kept_importance=min(1.0, kept[place]),
                accuracy=tried[widths].accuracy,
                on_front=all(kept[place] > other for other in kept[:place]),
            )
            for place, widths in enumerate(order)
        ),
        chosen=at,
        reached=reached,
        reason=_reason(costs[at] / limit, whole=whole, reached=reached, last=wider is None),
        wider=wider,
        narrower=narrower,
    )


def _reason(share: float, *, whole: bool, reached: bool, last: bool) -> str:
    """Why the chosen network was chosen."""
    if whole:
        return "the unpruned network is within the goal, so nothing was cut"
    within = f"of the networks within the goal it keeps the most importance, at {share:.1%} of it"
    if reached:
        return within
    beside = "no wider one was found" if last else "the next wider one is beyond it"
    return f"{within}; {beside}"
