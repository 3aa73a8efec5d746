from __future__ import annotations

import math

import pytest

from edgedistill.app.agreement_limits import AgreementLimits, broken_agreement
from edgedistill.core.evidence import Evidence, Quantity

BOTH = AgreementLimits(0.99, max_relative_error=0.02)


def agreeing(value: float) -> Quantity:
    return Quantity(
        value=value,
        low=value - 0.1,
        high=value,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_STAND_IN,
        samples=30,
        method="a test",
    )


@pytest.mark.parametrize(
    ("agreement", "finite", "broken"),
    [
        (agreeing(0.99), True, None),
        (agreeing(0.9899), True, "98.99 %, less than the 99.00 %"),
        (None, True, "cannot be told"),
        (agreeing(1), False, "NaN or infinity"),
    ],
    ids=["at the limit", "below", "unknown", "not finite"],
)
def test_what_breaks_an_agreement(
    agreement: Quantity | None, finite: bool, broken: str | None
) -> None:
    limits = AgreementLimits(0.99)
    found = broken_agreement(agreement, 9.0, finite=finite, kind="top-1", limits=limits)
    assert (found is None) == (broken is None)
    assert broken is None or broken in (found or "")


@pytest.mark.parametrize(
    ("agreement", "error", "broken"),
    [
        (1.0, 0.02, None),
        (1.0, 0.0201, "has a relative error of 0.0201, more than the 0.02 asked for"),
        (1.0, math.nan, "has a relative error of nan"),
        (1.0, None, "no real outputs"),
        (0.5, 0.01, "50.00 %, less than"),
    ],
    ids=["at the limit", "above", "not a number", "unknown", "the other limit"],
)
def test_a_relative_error_is_a_limit_of_its_own(
    agreement: float, error: float | None, broken: str | None
) -> None:
    found = broken_agreement(agreeing(agreement), error, finite=True, kind="top-1", limits=BOTH)
    assert (found is None) == (broken is None)
    assert broken is None or broken in (found or "")


@pytest.mark.parametrize(
    ("limits", "fields"),
    [
        (AgreementLimits(1.0, None), []),
        (AgreementLimits(0.0, 0.001), []),
        (AgreementLimits(1.01), ["min_agreement"]),
        (AgreementLimits(math.nan, 0.0), ["min_agreement", "max_relative_error"]),
        (AgreementLimits(0.9, math.inf), ["max_relative_error"]),
        (AgreementLimits(0.9, math.nan), ["max_relative_error"]),
    ],
)
def test_limits_that_are_no_limits_are_faults(limits: AgreementLimits, fields: list[str]) -> None:
    assert [fault.field for fault in limits.faults()] == fields
