from __future__ import annotations

from typing import Any

import pytest

from edgedistill.app.accuracy_limits import UNBUDGETED_DROP
from edgedistill.app.choose import Decision, choose
from edgedistill.app.race import Offer
from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.report import Choice, Latency, Row, Worst


def _figure(value: float, half: float = 0.01) -> Quantity:
    return Quantity(
        value=value,
        low=value - half,
        high=value + half,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=100,
        method="test",
    )


def _row(
    step: Any,
    *,
    accuracy: float = 0.9,
    drop: float = 0.0,
    worst: float | None = None,
    median_ms: float | None = 1.0,
) -> Row:
    latency = None if median_ms is None else Latency(p50_ms=_figure(median_ms), stable=True)
    least = None if worst is None else Worst(name="cat", drop=_figure(worst))
    return Row(
        step=step,
        precision=step if step in ("int8", "fp16") else "fp32",
        model_sha256="0" * 64,
        accuracy=_figure(accuracy),
        test_accuracy=None,
        accuracy_drop=_figure(drop),
        agreement=None,
        worst_class=least,
        worst_group=least,
        latency=latency,
        size_mb=counted(1.0, "test"),
        macs=counted(1.0, "test"),
        parameters=counted(1.0, "test"),
    )


def _pair(
    fp32: Row, int8: Row, *, speedup: Quantity | None, budget: Budget, default: Any = "int8"
) -> Choice:
    """The choice between a network and one int8 twin, whose speed-up is given."""

    def ratio(one: str, _other: str) -> Quantity | None:
        if speedup is None or one == "int8-U8S8":
            return speedup
        turned = {"value": 1 / speedup.value, "low": 1 / speedup.high, "high": 1 / speedup.low}
        return speedup.model_copy(update=turned)

    offers = [Offer("fp32", fp32), Offer("int8-U8S8", int8)]
    return choose(offers, speedup=ratio, budget=budget, default=default).choice


@pytest.mark.parametrize(
    ("speedup", "default", "step", "decided"),
    [
        (_figure(1.5), "int8", "int8", True),
        (_figure(1.5), "fp32", "int8", True),
        (_figure(0.8), "int8", "pruned", True),
        (_figure(1.0), "int8", "int8", False),
        (_figure(1.0), "fp32", "pruned", False),
        (_figure(1.01, half=0.01), "fp32", "pruned", False),
        (None, "int8", "int8", False),
        (None, "fp32", "pruned", False),
    ],
)
def test_the_faster_ships_and_the_profiles_default_where_it_cannot_be_told(
    speedup: Quantity | None, default: Any, step: str, decided: bool
) -> None:
    median_ms = None if speedup is None else 1.0
    rows = [_row(name, median_ms=median_ms) for name in ("pruned", "int8")]
    choice = _pair(*rows, speedup=speedup, budget=Budget(), default=default)
    assert (choice.step, choice.decided) == (step, decided)
    assert choice.variant == ("int8-U8S8" if step == "int8" else "fp32")


def test_a_faster_int8_that_breaks_the_accuracy_budget_does_not_ship() -> None:
    choice = _pair(
        _row("pruned", drop=0.005),
        _row("int8", drop=0.05),
        speedup=_figure(2.0),
        budget=Budget(max_accuracy_drop=0.01),
    )
    assert choice.step == "pruned"
    assert "loses 5.00 % accuracy" in choice.reason


def test_where_both_break_the_accuracy_budget_the_faster_ships() -> None:
    choice = _pair(
        _row("pruned", accuracy=0.5),
        _row("int8", accuracy=0.5),
        speedup=_figure(2.0),
        budget=Budget(min_accuracy=0.8),
    )
    assert choice.step == "int8"
    assert choice.reason.endswith("none of the candidates keeps the limits on accuracy")


def test_without_int8_the_last_network_ships() -> None:
    offers = [Offer("fp32", _row("distilled"))]
    found = choose(offers, speedup=lambda _one, _other: None, budget=Budget(), default="fp32")
    assert (found.choice.step, found.choice.decided) == ("distilled", True)
    assert found.compressed is None


@pytest.mark.parametrize(
    ("limit", "word"), [("max_worst_class_drop", "class"), ("max_worst_group_drop", "group")]
)
def test_a_faster_int8_that_loses_one_class_or_group_does_not_ship(limit: str, word: str) -> None:
    choice = _pair(
        _row("pruned", worst=0.01),
        _row("int8", worst=0.2),
        speedup=_figure(2.0),
        budget=Budget.model_validate({limit: 0.05}),
    )
    assert choice.step == "pruned"
    assert f"loses 20.00 % of its worst {word}" in choice.reason


@pytest.mark.parametrize(
    ("lost", "budget", "step"),
    [
        (UNBUDGETED_DROP + 0.01, Budget(), "pruned"),
        (UNBUDGETED_DROP - 0.01, Budget(), "int8"),
        (UNBUDGETED_DROP + 0.01, Budget(latency_p50_ms=1.0), "pruned"),
        (UNBUDGETED_DROP + 0.01, Budget(min_accuracy=0.5), "int8"),
        (UNBUDGETED_DROP + 0.01, Budget(max_worst_class_drop=0.5), "int8"),
    ],
    ids=["broken", "good-enough", "latency-alone", "floor", "class-limit"],
)
def test_without_an_accuracy_limit_a_broken_int8_does_not_ship(
    lost: float, budget: Budget, step: str
) -> None:
    choice = _pair(
        _row("pruned", accuracy=0.9, worst=0.0),
        _row("int8", accuracy=0.9 - lost, worst=0.0),
        speedup=_figure(2.0),
        budget=budget,
    )
    assert choice.step == step
    assert ("no accuracy limit" in choice.reason) == (step == "pruned")


def test_an_int8_that_keeps_the_budget_ships_where_a_faster_fp32_breaks_it() -> None:
    choice = _pair(
        _row("pruned", drop=0.06),
        _row("int8", drop=0.04),
        speedup=_figure(0.8),
        budget=Budget(max_accuracy_drop=0.05),
    )
    assert (choice.step, choice.decided) == ("int8", True)
    assert "int8-U8S8 keeps it" in choice.reason


def _offers(**rows: Row) -> list[Offer]:
    return [Offer(name.replace("_", "-"), row) for name, row in rows.items()]


def _several(offers: list[Offer], *, half: float = 0.02, default: Any = "int8") -> Decision:
    medians = {one.name: one.row.latency.p50_ms.value for one in offers if one.row.latency}

    def ratio(one: str, other: str) -> Quantity | None:
        known = one in medians and other in medians
        return _figure(medians[other] / medians[one], half) if known else None

    budget = Budget(max_accuracy_drop=0.05)
    return choose(offers, speedup=ratio, budget=budget, default=default)


def test_where_no_scheme_is_faster_fp32_ships_and_the_reason_names_each() -> None:
    found = _several(
        _offers(
            fp32=_row("pruned", median_ms=0.76),
            int8_U8S8=_row("int8", median_ms=1.0),
            int8_U8U8=_row("int8", median_ms=2.0),
        )
    )
    assert (found.choice.step, found.choice.variant, found.choice.decided) == (
        "pruned",
        "fp32",
        True,
    )
    assert found.choice.reason == (
        "int8-U8S8 is only 0.76x [0.74, 0.78] as fast as fp32 here; "
        "int8-U8U8 is only 0.38x [0.36, 0.40] as fast as fp32 here"
    )
    assert found.compressed == "int8-U8S8"
    assert found.reasons["int8-U8U8"] == "is slower than fp32, 0.38x [0.36, 0.40] as fast"


def test_the_fastest_scheme_ships_though_the_profile_names_another_first() -> None:
    found = _several(
        _offers(
            fp32=_row("pruned", median_ms=1.5),
            int8_U8S8=_row("int8", median_ms=1.2),
            int8_U8U8=_row("int8", median_ms=1.0),
        )
    )
    assert (found.choice.variant, found.choice.decided) == ("int8-U8U8", True)
    assert found.choice.reason == "int8-U8U8 is 1.50x [1.48, 1.52] as fast as fp32 here"
    assert found.compressed == "int8-U8U8"


def test_two_schemes_that_cannot_be_told_apart_leave_the_first_undecided() -> None:
    found = _several(
        _offers(
            fp32=_row("pruned", median_ms=1.5),
            int8_U8S8=_row("int8", median_ms=1.01),
            int8_U8U8=_row("int8", median_ms=1.0),
        )
    )
    assert (found.choice.variant, found.choice.decided) == ("int8-U8S8", False)
    assert found.choice.reason == (
        "int8-U8S8 is 1.49x [1.47, 1.51] as fast as fp32 here; int8-U8S8 is 0.99x [0.97, 1.01] "
        "as fast as int8-U8U8 here: too close to tell, so the first in the profile's order, "
        "int8-U8S8, ships"
    )


def test_a_faster_scheme_that_breaks_the_budget_gives_way_to_the_next() -> None:
    found = _several(
        _offers(
            fp32=_row("pruned", median_ms=2.0),
            int8_U8S8=_row("int8", median_ms=1.0, drop=0.2),
            int8_U8U8=_row("int8", median_ms=1.5),
        )
    )
    assert (found.choice.variant, found.choice.decided) == ("int8-U8U8", True)
    assert "int8-U8U8 is 1.33x" in found.choice.reason
    assert "int8-U8S8 loses 20.00 % accuracy" in found.choice.reason
    assert found.broken.keys() == {"int8-U8S8"}
    assert found.reasons["int8-U8S8"] == found.broken["int8-U8S8"]


def test_without_a_default_that_keeps_the_budget_the_next_in_order_ships_undecided() -> None:
    found = _several(
        _offers(
            fp32=_row("pruned", median_ms=None),
            int8_U8S8=_row("int8", median_ms=None, drop=0.2),
            fp16=_row("fp16", median_ms=None),
        )
    )
    assert (found.choice.variant, found.choice.decided) == ("fp16", False)
    assert "fp16 ships, which is the next in the order of preference" in found.choice.reason
    assert found.compressed == "fp16"
