"""The search for widths whose cost has to be asked for: a size, a memory, a latency.

The knapsack says in which order parts are worth narrowing, after a table of what each saves alone.
What they save together is asked of whole networks, and only whole networks are chosen from: the
table errs where two parts share a layer, the order hardly does. Kernels compute in blocks of
channels that no profile names, so widths are searched on two grids side by side, the lever's own
and one twice as coarse, and what keeps more at equal cost wins.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.stages.prune.knapsack import front
from edgedistill.stages.prune.table import GRIDS, narrowest_on, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.stage import Advance
    from edgedistill.stages.prune.ledger import Ledger
    from edgedistill.stages.prune.search import Widths

ROUNDS = 4
"""At most so often each path is asked for the goal."""
FILLING = 6
"""At most so often what is left below the goal is given back to single levers."""
CONFIRMING = 3
"""At most so often what is about to be chosen is measured again."""
STEPS = ROUNDS + FILLING + CONFIRMING
_NEAR = 0.96
"""Near enough to the goal that nothing more is given back."""
_SPREAD = 1.04
"""Candidates beside the expected one lie this factor of cost away."""
_MARGIN = 0.99
"""What was measured aims at this share of the goal: the next measurement may say a little more."""
_NEIGHBOURS = 8
"""So many networks at most are tried in which one lever is wider."""


@dataclass
class PricedSearch:
    """One search.

    Attributes:
        ledger: Prices known from the table, the unpruned and the narrowest network's among them.
        limit: What the network may cost, in the goal's unit.
        advance: Told after each of `STEPS` steps.
    """

    ledger: Ledger
    limit: float
    advance: Advance

    def run(self) -> Widths | None:
        """The network of most importance that was found within the limit; None where there is none.

        Every network that was asked for is in the ledger.
        """
        found = self.ledger.desk.found
        if self._fits(1.0):
            return found.whole
        if not self._reachable():
            return None
        paths = [self._path(every) for every in GRIDS]
        for _ in range(ROUNDS):
            asked = [widths for path in paths for widths in self._next_on(path)]
            if not asked:
                break
            self.ledger.ask(list(dict.fromkeys(asked)))
            self.advance()
        for _ in range(FILLING):
            if not self._fill():
                break
            self.advance()
        self._confirm()
        return self._best()

    @property
    def goal(self) -> float:
        """The limit as a share of the unpruned network's cost, less a margin for noise."""
        return self.margin * self.limit / self.ledger.unpruned.value

    @property
    def margin(self) -> float:
        """At which share of the limit the search aims."""
        return 1.0 if self.ledger.desk.pricing.exact else _MARGIN

    def _fits(self, share: float) -> bool:
        return share <= self.goal

    def _reachable(self) -> bool:
        """Whether any network is within the goal; noise must not decide that none is."""
        shares = self.ledger.shares
        if not any(map(self._fits, shares.values())) and not self.ledger.desk.pricing.exact:
            self.ledger.ask([min(shares, key=lambda widths: shares[widths])])
        return any(map(self._fits, self.ledger.shares.values()))

    def _path(self, every: int) -> tuple[Widths, ...]:
        """Networks worth trying on one grid, from the narrowest to the whole one."""
        found = self.ledger.desk.found
        parts = options(found.levers, found.limits, self.ledger.shares, every=every)
        choices = [choice.widths for choice in front(parts)]
        start = narrowest_on(found.levers, found.limits, every)
        return tuple(dict.fromkeys((start, *choices, found.whole)))

    def _next_on(self, path: Sequence[Widths]) -> list[Widths]:
        """The networks of the path to ask for next; none where the goal is near or hemmed in."""
        shares = self.ledger.shares | {path[-1]: 1.0}
        priced = [at for at, widths in enumerate(path) if widths in shares]
        fitting = [at for at in priced if self._fits(shares[path[at]])]
        if not fitting:
            return []  # on this grid the goal is out of reach
        low = max(fitting)
        above = [at for at in priced if at > low]
        high = min(above)
        if high - low < 2 or shares[path[low]] >= _NEAR * self.goal:
            return []
        return _between(path, low, high, (shares[path[low]], shares[path[high]]), self.goal)

    def _best(self) -> Widths:
        """The network within the goal that keeps most importance, the cheapest of equals."""
        found, shares = self.ledger.desk.found, self.ledger.shares
        fitting = [widths for widths in shares if self._fits(shares[widths])]
        return max(fitting, key=lambda one: (found.kept_importance(one), -shares[one], one))

    def _fill(self) -> bool:
        """Asks for single levers a step wider, then for as many of them at once as should fit."""
        best = self._best()
        own = self.ledger.shares[best]
        if own >= _NEAR * self.goal:
            return False
        wider = self._wider(best)
        self.ledger.ask([one for one in wider if one not in self.ledger.shares])
        shares = self.ledger.shares
        together, cost = list(best), own
        for one in sorted(wider, key=lambda one: shares[one]):
            extra = max(0.0, shares[one] - own)
            if cost + extra <= self.goal:
                together = [max(pair) for pair in zip(together, one, strict=True)]
                cost += extra
        joined = tuple(together)
        if joined not in self.ledger.shares and joined != self.ledger.desk.found.whole:
            self.ledger.ask([joined])
        return self._best() != best

    def _wider(self, widths: Widths) -> list[Widths]:
        """The networks in which one lever is a step or two wider, those first that gain most."""
        found = self.ledger.desk.found
        grown = []
        for at, lever in enumerate(found.levers):
            allowed = lever.widths(found.limits)
            place = bisect_left(allowed, widths[at])
            grown += [
                (*widths[:at], wider, *widths[at + 1 :])
                for wider in allowed[place + 1 : place + 1 + max(GRIDS)]
            ]
        return sorted(grown, key=found.kept_importance, reverse=True)[:_NEIGHBOURS]

    def _confirm(self) -> None:
        """Measures again what is about to be chosen, until the choice has been seen twice."""
        if self.ledger.desk.pricing.exact:
            return
        for _ in range(CONFIRMING):
            best = self._best()
            if len(self.ledger.known[best]) > 1 or best == self.ledger.desk.found.whole:
                return
            near = sorted(
                self.ledger.shares, key=lambda one: abs(self.ledger.shares[one] - self.goal)
            )
            self.ledger.ask(list(dict.fromkeys((best, *near[:3]))))
            self.advance()


def _between(
    path: Sequence[Widths], low: int, high: int, shares: tuple[float, float], goal: float
) -> list[Widths]:
    """The network where the goal is expected between two of the path, and one on each side.

    Costs are taken to rise evenly in their logarithm, as where parts multiply.
    """
    less, more = (math.log(share) for share in shares)
    slope = (high - low) / max(more - less, 1e-9)
    places = set()
    for factor in (1.0, 1.0 / _SPREAD, _SPREAD):
        expected = low + slope * (math.log(goal * _AIM * factor) - less)
        places.add(min(high - 1, max(low + 1, round(expected))))
    return [path[place] for place in sorted(places)]


_AIM = 0.98
"""What is expected of the middle candidate, as a share of the goal."""
