"""Which candidate of a model without labels ships: a pure function of stored figures.

The fastest of those that agree with the float model ships. Where the measurement cannot tell int8
from the float model, or there is none, the profile's documented default does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence
from edgedistill.core.quantized import FLOAT, Shipped
from edgedistill.units import format_percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.profile import Runtime
    from edgedistill.core.quantized import AgreementKind, NotMade, QuantizedCandidate

SHIPPED = "model.onnx"

CALLED: dict[AgreementKind, str] = {
    "top-1": "gives the float model's class to",
    "signal": "keeps of the float output's variance",
    "values": "gives the float model's numbers in",
}
"""What an agreement says, before its figure."""


def broken_agreement(
    agreement: Quantity | None, *, finite: bool, kind: AgreementKind, min_agreement: float
) -> str | None:
    """Why a candidate may not ship, in words; None where it agrees enough."""
    if not finite:
        return "gives NaN or infinity"
    if agreement is None:
        return "cannot be told to agree with the float model"
    if agreement.value >= min_agreement:
        return None
    return (
        f"{CALLED[kind]} {format_percent(agreement.value)}, less than the "
        f"{format_percent(min_agreement)} asked for"
    )


def choose_agreeing(
    candidates: Sequence[QuantizedCandidate], not_made: Sequence[NotMade], runtime: Runtime
) -> Shipped:
    """Chooses among the float model and its int8 twins.

    Args:
        candidates: The float model first; the scheme that the profile names first stands before
            the others.
        not_made: Twins that could not be made.
        runtime: The target's, whose default decides where measurement cannot.
    """
    twins = [one for one in candidates if one.name != FLOAT]
    agreeing = [one for one in twins if one.broken is None]
    if not agreeing:
        unknown = bool(twins) and all(one.agreement is None for one in twins)
        return _ship(FLOAT, decided=not unknown, reason=_why_none(twins, not_made))
    told = [one for one in agreeing if _speedup(one) is not None]
    if not told:
        default = agreeing[0].name if runtime.default_precision == "int8" else FLOAT
        reason = (
            "no latency was measured on this device and none is estimated, so the profile's "
            f"documented default ({runtime.default_precision}) ships"
        )
        return _ship(default, decided=False, reason=reason)
    fastest = max(told, key=lambda one: _ratio(one).value)
    ratio = _ratio(fastest)
    here = "by the estimates" if ratio.evidence == Evidence.ESTIMATED else "here"
    text = f"{ratio.value:.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]"
    left = "".join(f"; {one.name} {one.broken}" for one in twins if one.broken is not None)
    if ratio.low > 1.0:
        reason = f"{fastest.name} is {text} as fast as {FLOAT} {here} and agrees with it{left}"
        return _ship(fastest.name, decided=True, reason=reason)
    if ratio.high < 1.0:
        reason = f"no int8 that agrees is faster: {fastest.name} is only {text} as fast as {FLOAT}"
        return _ship(FLOAT, decided=True, reason=f"{reason} {here}{left}")
    default = fastest.name if runtime.default_precision == "int8" else FLOAT
    reason = (
        f"{fastest.name} is {text} as fast as {FLOAT} {here}: too close to tell, so the profile's "
        f"documented default ({runtime.default_precision}) ships{left}"
    )
    return _ship(default, decided=False, reason=reason)


def _why_none(twins: Sequence[QuantizedCandidate], not_made: Sequence[NotMade]) -> str:
    if not twins and not not_made:
        return "this target runs no int8"
    broken = [f"{one.name} {one.broken}" for one in twins]
    return "; ".join([*broken, *(f"{one.name} could not be made" for one in not_made)])


def _speedup(one: QuantizedCandidate) -> Quantity | None:
    return None if one.latency is None else one.latency.speedup


def _ratio(one: QuantizedCandidate) -> Quantity:
    speedup = _speedup(one)
    assert speedup is not None
    return speedup


def _ship(name: str, *, decided: bool, reason: str) -> Shipped:
    return Shipped(name=name, file=SHIPPED, decided=decided, reason=reason)
