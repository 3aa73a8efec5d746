"""The limits of nearness to a float model, where nobody knows what is right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.errors import Fault
from edgedistill.units import format_percent

if TYPE_CHECKING:
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.quantized import AgreementKind

CALLED: dict[AgreementKind, str] = {
    "top-1": "gives the float model's class to",
    "signal": "keeps of the float output's variance",
    "values": "gives the float model's numbers in",
}
"""What an agreement says, before its figure."""


@dataclass(frozen=True)
class AgreementLimits:
    """How near the float model a candidate must be to ship.

    Attributes:
        min_agreement: The least agreement, a fraction.
        max_relative_error: The greatest root mean square of the difference from the float outputs,
            over that of their spread; None for no such limit.
    """

    min_agreement: float
    max_relative_error: float | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the numbers themselves."""
        faults = []
        if not 0 <= self.min_agreement <= 1:
            faults.append(
                Fault(
                    field="min_agreement",
                    given=repr(self.min_agreement),
                    problem="is not between 0 and 1",
                    remedy="Give a fraction, for instance 0.99",
                )
            )
        error = self.max_relative_error
        if error is not None and not 0 < error < math.inf:
            faults.append(
                Fault(
                    field="max_relative_error",
                    given=repr(error),
                    problem="is not a number above 0",
                    remedy="Give a share of the spread of the float outputs, for instance 0.01",
                )
            )
        return faults


def broken_agreement(
    agreement: Quantity | None,
    relative_error: float | None,
    *,
    finite: bool,
    kind: AgreementKind,
    limits: AgreementLimits,
) -> str | None:
    """Why a candidate may not ship, in words; None where it is near enough."""
    if not finite:
        return "gives NaN or infinity"
    if agreement is None:
        return "cannot be told to agree with the float model"
    if not agreement.value >= limits.min_agreement:
        return (
            f"{CALLED[kind]} {format_percent(agreement.value)}, less than the "
            f"{format_percent(limits.min_agreement)} asked for"
        )
    if limits.max_relative_error is None:
        return None
    if relative_error is None:
        return "has no real outputs whose relative error could be told"
    if relative_error <= limits.max_relative_error:
        return None
    return (
        f"has a relative error of {relative_error:.4g}, more than the "
        f"{limits.max_relative_error:.4g} asked for"
    )
