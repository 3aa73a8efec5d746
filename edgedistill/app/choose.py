"""Which candidate of a student's last network ships: a pure function of stored figures.

So a replay chooses the same. Candidates are the network as it is (fp32) and what was made of it:
fp16, static int8 in each scheme, dynamic int8. Those that break a limit on accuracy are out, unless
all do; of the rest the fastest ships (`app.race`). Which of several students ships is
`app.choose_student`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.app.accuracy_limits import broken_against
from edgedistill.app.race import Race, preference
from edgedistill.core.report import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.app.race import AnyRunner, Offer, Speedup
    from edgedistill.core.budget import Budget
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.profile import Precision

SHIPPED = "model.onnx"


@dataclass(frozen=True)
class Decision:
    """Which candidate ships, and of every one why it does or does not."""

    choice: Choice
    reasons: Mapping[str, str]
    """By name of the candidate."""
    broken: Mapping[str, str]
    """By name of the candidate: which limit on accuracy it breaks, in words; others keep all."""
    compressed: str | None
    """The name of the one that ships, or of the best beside fp32; None where there is none."""


def choose(
    offers: Sequence[Offer], *, speedup: Speedup, budget: Budget, default: Precision
) -> Decision:
    """Chooses among the candidates of one network.

    Args:
        offers: fp32 first, then what was made of it, in the profile's order.
        speedup: How many times as fast the candidate named first is as the one named second.
        budget: The target's budget; only its accuracy limits count here.
        default: The precision that the target's runtime documents as its usual one.
    """
    fp32, *others = offers
    broken = {
        one.name: words
        for one in offers
        if (words := broken_against(one.row, fp32.row.accuracy, budget))
    }
    keepers = [one for one in offers if one.name not in broken] or list(offers)
    race = Race(preference(keepers, default), speedup)
    winner = race.winner
    beside = [one for one in keepers if one is not fp32] or others
    best = winner
    if winner is fp32 and beside:
        best = Race(preference(beside, default), speedup).winner
    out = {} if len(keepers) == len(offers) else broken
    reason = told_race(race, out, default) if others else _ALONE
    if len(broken) == len(offers):
        reason += "; none of the candidates keeps the limits on accuracy"
    return Decision(
        choice=Choice(
            step=winner.row.step,
            model=SHIPPED,
            decided=race.decided,
            reason=reason,
            variant=winner.name,
        ),
        reasons={one.name: _why(one, race) for one in keepers} | out,
        broken=broken,
        compressed=None if best is fp32 else best.name,
    )


_ALONE = "there is no other candidate for this target"


def told_race(race: Race[AnyRunner], out: Mapping[str, str], default: Precision) -> str:
    """Why the winner ships, with the comparison that decided it first."""
    lost = [f"{name} {words}" for name, words in out.items()]
    if len(race.runners) == 1:
        return f"{'; '.join(lost)}; {race.winner.name} keeps it"
    return "; ".join([_standing(race, default), *lost])


def _standing(race: Race[AnyRunner], default: Precision) -> str:
    winner, preferred = race.winner, race.runners[0]
    ships = (
        f"the profile's documented default ({default}) ships"
        if winner.precision == default
        else f"{winner.name} ships, which is the next in the order of preference"
    )
    if not race.timed and preferred.latency is None:
        return (
            f"no latency of {preferred.name} was measured on this device or estimated, so {ships}"
        )
    if not race.timed and race.estimated:
        return f"estimates do not tell schemes apart, so the profile's first, {winner.name}, ships"
    if not race.timed:
        return f"nothing else has a latency to compare with, so {ships}"
    if race.decided:
        return _decided(race)
    near = next(one for one in race.close if one is not winner)
    rival = near if race.fastest is winner else race.fastest
    one, other = (rival, winner) if winner.precision == "fp32" else (winner, rival)
    if rival.precision == winner.precision:
        ships = f"the first in the profile's order, {winner.name}, ships"
    fp32 = next((each for each in race.timed if each.precision == "fp32"), winner)
    lead = "" if fp32 in (winner, *race.close) else f"{_compared(race, winner, fp32)}; "
    return f"{lead}{_compared(race, one, other)}: too close to tell, so {ships}"


def _decided(race: Race[AnyRunner]) -> str:
    """The winner against fp32, or every other against it where it is fp32 itself."""
    winner = race.winner
    others = sorted(
        (one for one in race.timed if one is not winner), key=lambda one: -race.pace(one)
    )
    fp32 = next((one for one in others if one.precision == "fp32"), None)
    if fp32 is not None:
        return _compared(race, winner, fp32)
    first, *rest = (_compared(race, one, winner, only="only ") for one in others)
    return "; ".join([first, *rest])


def _compared(race: Race[AnyRunner], one: AnyRunner, other: AnyRunner, *, only: str = "") -> str:
    ratio = race.speedup(one.name, other.name)
    if ratio is None:  # too few rounds are independent of each other
        return f"the rounds do not tell how fast {one.name} is against {other.name}"
    where = "by the estimates" if race.estimated else "here"
    return f"{one.name} is {only}{_written(ratio)} as fast as {other.name} {where}"


def _why(one: AnyRunner, race: Race[AnyRunner]) -> str:
    """Why one of those that keep the accuracy ships or does not."""
    winner = race.winner
    if one is winner:
        return "ships" if race.decided else "ships, undecided"
    if one.latency is None or winner.latency is None:
        return f"has no latency that could show it to be faster than {winner.name}"
    if one not in race.timed:
        return f"stands behind {winner.name} in the profile; estimates do not know schemes"
    ratio = race.speedup(one.name, winner.name)
    told = "" if ratio is None else f", {_written(ratio)} as fast"
    if one in race.close:
        return f"cannot be told from {winner.name}{told}, which stands before it"
    return f"is slower than {winner.name}{told}"


def _written(ratio: Quantity) -> str:
    return f"{ratio.value:.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]"
