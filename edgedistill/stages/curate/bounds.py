"""What a cut may not do to a class or a group, and how to make it smaller."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.errors import Fault, InputError
from edgedistill.stages.curate.takings import share_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.curation import Curate
    from edgedistill.stages.curate.ledger import Ledger
    from edgedistill.stages.curate.takings import Taking

_MOST_FAULTS = 20


def require_within_bounds(
    config: Curate, takings: Sequence[Taking], ledgers: Sequence[Ledger]
) -> None:
    """Refuses cuts that take too much of a class or a group.

    Args:
        config: With the bounds.
        takings: What each cut takes.
        ledgers: The takings by class and by group.

    Raises:
        InputError: With one fault for each class and group that loses too much, the worst first.
    """
    faults: list[tuple[float, Fault]] = []
    for ledger in ledgers:
        for place in np.flatnonzero(ledger.before).tolist():
            fault = _loss(config, takings, ledger, place) or _skew(config, takings, ledger, place)
            if fault:
                faults.append((float(ledger.left[place] / ledger.before[place]), fault))
    faults.sort(key=lambda item: item[0])
    if faults:
        shown = [fault for _, fault in faults[:_MOST_FAULTS]]
        if len(faults) > _MOST_FAULTS:
            problem = f"{len(faults) - _MOST_FAULTS} further classes or groups lose too much"
            shown.append(Fault(problem=problem, remedy="They are told when these are mended"))
        raise InputError(*shown)


def _loss(config: Curate, takings: Sequence[Taking], ledger: Ledger, place: int) -> Fault | None:
    """The fault where one of the names loses too large a share, or is left with too few."""
    before, taken = int(ledger.before[place]), ledger.taken[:, place]
    lost = int(taken.sum())
    share, least = (
        (config.max_class_loss, config.min_class_samples)
        if ledger.kind == "class"
        else (config.max_group_loss, config.min_group_samples)
    )
    may_lose = share_of(share, before)
    bounds, looser = [], []
    if lost > may_lose:
        bounds.append(f"max_{ledger.kind}_loss {share:g} allows {may_lose}")
        looser.append(f"max_{ledger.kind}_loss to {_ceil(lost / before):g}")
    if lost and before - lost < least:
        bounds.append(f"min_{ledger.kind}_samples wants {least} to be left")
        looser.append(f"min_{ledger.kind}_samples to {before - lost}")
        may_lose = min(may_lose, max(0, before - least))
    if not bounds:
        return None
    worst = int(taken.argmax())
    remedy = _smaller(takings, worst, ledger.member_of == place, too_many=lost - may_lose)
    if ledger.kind == "group" or lost < before:
        remedy += f", or set {' and '.join(looser)}"
    return Fault(
        field=takings[worst].field,
        given=_given(takings[worst]),
        problem=f"{_what(ledger, place)} would lose {lost} of its {before} samples"
        f"{_shares(takings, taken)}, and {', '.join(bounds)}",
        remedy=remedy,
    )


def _skew(config: Curate, takings: Sequence[Taking], ledger: Ledger, place: int) -> Fault | None:
    """The fault where a share in all samples grows or shrinks too much."""
    before, left = int(ledger.before[place]), int(ledger.left[place])
    skew = float(ledger.skew[place])
    if not left or skew <= config.max_skew:
        return None
    worst = int((ledger.taken[:, place] if left < before else ledger.taken.sum(axis=1)).argmax())
    return Fault(
        field=takings[worst].field,
        given=_given(takings[worst]),
        problem=f"{_what(ledger, place)} would go from {before} of {ledger.before.sum()} samples "
        f"to {left} of {ledger.left.sum()}: its share changes {skew:.4g} times, and max_skew "
        f"allows {config.max_skew:g} times",
        remedy=f"Let the cuts take less, or set max_skew to {_ceil(skew):g}",
    )


def _smaller(
    takings: Sequence[Taking], number: int, concerned: np.ndarray, *, too_many: int
) -> str:
    """What to set a cut to, so that it takes fewer of the samples concerned.

    Only samples that no other cut takes as well are won back by it.

    Args:
        takings: Of all cuts.
        number: Of the cut.
        concerned: Which samples are of the class or group, bool `[n]`.
        too_many: How many samples fewer have to go.
    """
    cut, elsewhere = takings[number], np.zeros(len(concerned), dtype=bool)
    for other in takings:
        if other is not cut:
            elsewhere[other.taken] = True
    own = np.flatnonzero((concerned & ~elsewhere)[cut.taken])
    if too_many > len(own):
        return "Make this cut and the others smaller: they take the same samples"
    setting = cut.setting_for(int(own[len(own) - too_many]))
    if setting == 0:
        return "Leave this cut out"
    direction = "at least" if cut.falling and cut.setting == "threshold" else "at most"
    return f"Set its {cut.setting} to {direction} {setting:.6f}"


def _what(ledger: Ledger, place: int) -> str:
    return f"{ledger.kind} '{ledger.names[place]}'"


def _given(taking: Taking) -> str:
    return f"{taking.score}, {taking.setting} {taking.given:g}"


def _shares(takings: Sequence[Taking], taken: np.ndarray) -> str:
    parts = [
        f"{taking.field.rpartition('.')[2]} {int(count)}"
        for taking, count in zip(takings, taken, strict=True)
        if count
    ]
    return f" ({', '.join(parts)})" if len(parts) > 1 else ""


def _ceil(value: float) -> float:
    return math.ceil(value * 1e4) / 1e4
