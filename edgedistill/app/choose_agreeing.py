"""Which candidate of a model without labels ships: a pure function of stored figures.

The fastest of those that agree with the float model ships (`app.race`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.app.choose import SHIPPED, told_race
from edgedistill.app.race import Race, preference
from edgedistill.core.quantized import FLOAT, Shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.app.race import Speedup
    from edgedistill.core.profile import Precision
    from edgedistill.core.quantized import NotMade, QuantizedCandidate


def choose_agreeing(
    candidates: Sequence[QuantizedCandidate],
    not_made: Sequence[NotMade],
    *,
    speedup: Speedup,
    default: Precision,
) -> Shipped:
    """Chooses among the float model and what was made of it.

    Args:
        candidates: The float model first, then the others in the profile's order.
        not_made: Candidates that could not be made.
        speedup: How many times as fast the candidate named first is as the one named second.
        default: The precision that the target's runtime documents as its usual one.
    """
    others = [one for one in candidates if one.name != FLOAT]
    broken = {one.name: one.broken for one in others if one.broken is not None}
    if len(broken) == len(others):
        told = not others or any(one.agreement is not None for one in others)
        return _ship(FLOAT, decided=told, reason=_why_none(broken, not_made))
    keepers = [one for one in candidates if one.name not in broken]
    race = Race(preference(keepers, default), speedup)
    return _ship(race.winner.name, decided=race.decided, reason=told_race(race, broken, default))


def _why_none(broken: Mapping[str, str], not_made: Sequence[NotMade]) -> str:
    lost = [f"{name} {words}" for name, words in broken.items()]
    lost += [f"{one.name} could not be made" for one in not_made]
    return "; ".join(lost) or "this target runs nothing but fp32"


def _ship(name: str, *, decided: bool, reason: str) -> Shipped:
    return Shipped(name=name, file=SHIPPED, decided=decided, reason=reason)
