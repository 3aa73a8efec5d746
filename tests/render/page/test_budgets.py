from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill.core.evidence import counted
from edgedistill.core.limits import EVERY
from edgedistill.core.verdict import Check, Outcome
from edgedistill.render.page import budgets

if TYPE_CHECKING:
    from typing import Literal

    from edgedistill.core.limits import Limit

    Side = Literal["at most", "at least"]

HALF = {
    "ms": {"0.5 ms"},
    "MB": {"0.5 MB"},
    "mJ": {"0.5 mJ"},
    "x": {"0.50x", "0.5"},
    "%": {"50.00 %", "+50.00 points"},
    "instructions": {"0.5"},
}


def check(budget: str, unit: str, limit: float, side: Side = "at most") -> Check:
    return Check(budget, limit, Outcome.PASS, None, "", unit=unit, side=side)


@pytest.mark.parametrize("limit", EVERY.values(), ids=lambda limit: limit.budget)
def test_every_limit_is_written_with_its_side_and_its_unit(limit: Limit) -> None:
    written = budgets.limit(check(limit.budget, limit.unit, 0.5, limit.side))
    assert written.startswith(f"{limit.side} ")
    assert written.removeprefix(f"{limit.side} ") in HALF[limit.unit]
    difference = "points" in written
    assert difference == (limit.form in ("fall", "rise") or limit.budget.endswith("_drop"))


def test_a_small_parity_error_is_not_rounded_to_nothing() -> None:
    assert budgets.limit(check("max_parity_error", "x", 1.3e-6)) == "at most 1.3e-06"


def test_a_ratio_to_a_baseline_has_two_decimals() -> None:
    assert budgets.limit(check("max_latency_p95_ratio", "x", 1.05)) == "at most 1.05x"


def test_a_difference_of_shares_is_in_points_and_a_share_in_percent() -> None:
    drop, floor = check("max_accuracy_drop", "%", 0.01), check("min_accuracy", "%", 0.9)
    assert budgets.writer(drop)(counted(0.004, "test")) == "+0.40 points"
    assert budgets.writer(floor)(counted(0.95, "test")) == "95.00 %"
