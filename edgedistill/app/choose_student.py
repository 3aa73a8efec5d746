"""Which of several students ships to a target: a pure function of stored figures.

Each student enters with the one of its own networks that would ship (`app.choose`). Then:

1. Where the budget limits accuracy: of those that keep its limits on accuracy and size, the
   fastest by its median from interleaved rounds, or by its estimate where the device is not at
   hand. One that the figures cannot tell from the fastest goes before it if the recipe has it
   earlier. Where nothing was measured or estimated, the fewest multiply-accumulates decide.
2. Where it does not: the most accurate of those that keep its other limits.
3. Where none keeps the limits: the most accurate of all, and the reason says so.

Equal figures go to the earlier in the recipe. A limit on accuracy is held against the value, as
within one student; any other against the whole interval, as by the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.app.accuracy_limits import broken_accuracy
from edgedistill.app.choose import SHIPPED
from edgedistill.core.front import macs
from edgedistill.core.limits import LIMITS
from edgedistill.core.report import Choice
from edgedistill.core.verdict import Outcome
from edgedistill.gate.judge import compare
from edgedistill.gate.wording import describe
from edgedistill.units import format_count, format_percent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgedistill.core.budget import Budget
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.limits import Kind
    from edgedistill.core.report import Row


@dataclass(frozen=True)
class Contender:
    """A student with the one of its own steps that would ship."""

    name: str
    row: Row
    choice: Choice


@dataclass(frozen=True)
class _Best:
    winner: Contender
    decided: bool
    reason: str


def choose_student(
    contenders: Sequence[Contender],
    *,
    speedup: Callable[[str, str], Quantity | None],
    budget: Budget,
) -> Choice:
    """Chooses the student that ships.

    Args:
        contenders: The students in the recipe's order, at least one.
        speedup: Of the student named first against the one named second: the second's median
            latency over the first's, from interleaved rounds on the device or from estimates;
            None where there is neither.
        budget: The target's budget.
    """
    keepers = [one for one in contenders if _broken(one.row, budget) is None]
    kinds = _kinds(budget)
    limits = f"the budget's limits on {' and '.join(kinds)}"
    if not keepers:
        best = _most_accurate(contenders)
        told = f"no student keeps {limits}; {best.reason}, but {_broken(best.winner.row, budget)}"
    else:
        best = _fastest(keepers, speedup) if "accuracy" in kinds else _most_accurate(keepers)
        keep = f"{len(keepers)} of {len(contenders)} students keep{'s' * (len(keepers) == 1)}"
        lead = f"{keep} {limits}; of these " if kinds else "the budget has no limit to choose by; "
        told = f"{lead}{best.reason}"
    winner = best.winner
    unmeasured = "latency" in kinds and winner.row.latency is None
    return Choice(
        step=winner.choice.step,
        model=SHIPPED,
        decided=best.decided and winner.choice.decided and not unmeasured,
        reason=f"{told}. Of the steps of {winner.name}, {_network(winner)} ships: "
        f"{winner.choice.reason}",
        student=winner.name,
        variant=winner.choice.variant,
    )


def _network(one: Contender) -> str:
    """The step that ships, or the candidate where it is one of several made of that step."""
    return one.row.variant or one.choice.step


def _fastest(keepers: Sequence[Contender], speedup: Callable[[str, str], Quantity | None]) -> _Best:
    medians = {one.name: one.row.latency.p50_ms.value for one in keepers if one.row.latency}
    if len(medians) < len(keepers):
        ranked = sorted(keepers, key=lambda one: macs(one.row))
        counts = {one.name: format_count(macs(one.row)) for one in keepers}
        reason = _ahead("the fewest multiply-accumulates", ranked, counts)
        reason += ", and no latency was measured or estimated here"
        return _Best(ranked[0], decided=False, reason=reason)
    ranked = sorted(keepers, key=lambda one: medians[one.name])
    fastest, *rest = ranked
    close = [one for one in rest if not _slower(speedup(fastest.name, one.name))]
    written = {name: f"{median:.4g} ms" for name, median in medians.items()}
    if not close:
        reason = _ahead("the lowest median latency", ranked, written)
        return _Best(fastest, decided=True, reason=reason)
    winner = min((fastest, *close), key=keepers.index)
    names = ", ".join(f"{one.name} ({written[one.name]})" for one in (fastest, *close))
    reason = f"the figures cannot tell {names} apart, so the first in the recipe ships"
    return _Best(winner, decided=False, reason=reason)


def _slower(ratio: Quantity | None) -> bool:
    """Whether the whole interval says that another is faster."""
    return ratio is not None and ratio.low > 1.0


def _most_accurate(contenders: Sequence[Contender]) -> _Best:
    ranked = sorted(contenders, key=lambda one: -one.row.accuracy.value)
    written = {one.name: format_percent(one.row.accuracy.value) for one in contenders}
    return _Best(ranked[0], decided=True, reason=_ahead("the highest accuracy", ranked, written))


def _ahead(title: str, ranked: Sequence[Contender], written: Mapping[str, str]) -> str:
    """The first of a ranking with its figure, and the next with its own."""
    first, *rest = (one.name for one in ranked)
    lead = f"{first} has {title}, {written[first]}"
    return f"{lead}, before {rest[0]} with {written[rest[0]]}" if rest else lead


def _broken(row: Row, budget: Budget) -> str | None:
    """Which limit that counts here the row breaks or cannot be shown to keep, in words."""
    accuracy = broken_accuracy(row, budget)
    if accuracy is not None:
        return f"it {accuracy}"
    kinds = _kinds(budget)
    for limit in LIMITS:
        bound = getattr(budget, limit.budget)
        if bound is None or limit.kind == "accuracy" or limit.kind not in kinds:
            continue
        figure = limit.figure(row)
        if figure is None:
            return f"it has no {limit.title} to hold against the budget"
        if compare(figure, bound) is not Outcome.PASS:
            words = describe(figure, limit, bound)
            return f"its {words[:1].lower()}{words[1:]}"
    return None


def _kinds(budget: Budget) -> tuple[Kind, ...]:
    """The kinds of limits that count here and that the budget has."""
    has = {limit.kind for limit in LIMITS if getattr(budget, limit.budget) is not None}
    first: Kind = "accuracy" if "accuracy" in has else "latency"
    counted: tuple[Kind, ...] = (first, "size", "memory", "energy")
    return tuple(kind for kind in counted if kind in has)
