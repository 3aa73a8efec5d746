from __future__ import annotations

from typing import Any

import pytest

from edgedistill.app.choose import UNBUDGETED_DROP, choose
from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.profile import QuantizationScheme, Runtime
from edgedistill.core.report import Row, Worst

RUNTIME = Runtime(
    provider="CPUExecutionProvider",
    max_opset=20,
    max_ir_version=10,
    precisions=("fp32", "int8"),
    default_precision="int8",
    int8=QuantizationScheme(activation="uint8", reason="test"),
    source="test",
)


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


def _row(step: Any, *, accuracy: float = 0.9, drop: float = 0.0, worst: float | None = None) -> Row:
    least = None if worst is None else Worst(name="cat", drop=_figure(worst))
    return Row(
        step=step,
        precision="int8" if step == "int8" else "fp32",
        model_sha256="0" * 64,
        accuracy=_figure(accuracy),
        test_accuracy=None,
        accuracy_drop=_figure(drop),
        agreement=None,
        worst_class=least,
        worst_group=least,
        latency=None,
        size_mb=counted(1.0, "test"),
        macs=counted(1.0, "test"),
        parameters=counted(1.0, "test"),
    )


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
    runtime = RUNTIME.model_copy(update={"default_precision": default})
    choice = choose(_row("pruned"), _row("int8"), speedup=speedup, budget=Budget(), runtime=runtime)
    assert (choice.step, choice.decided) == (step, decided)


def test_a_faster_int8_that_breaks_the_accuracy_budget_does_not_ship() -> None:
    choice = choose(
        _row("pruned", drop=0.005),
        _row("int8", drop=0.05),
        speedup=_figure(2.0),
        budget=Budget(max_accuracy_drop=0.01),
        runtime=RUNTIME,
    )
    assert choice.step == "pruned"
    assert "loses 5.00 % accuracy" in choice.reason


def test_where_both_break_the_accuracy_budget_the_faster_ships() -> None:
    choice = choose(
        _row("pruned", accuracy=0.5),
        _row("int8", accuracy=0.5),
        speedup=_figure(2.0),
        budget=Budget(min_accuracy=0.8),
        runtime=RUNTIME,
    )
    assert choice.step == "int8"


def test_without_int8_the_last_network_ships() -> None:
    choice = choose(_row("distilled"), None, speedup=None, budget=Budget(), runtime=RUNTIME)
    assert (choice.step, choice.decided) == ("distilled", True)


@pytest.mark.parametrize(
    ("limit", "word"), [("max_worst_class_drop", "class"), ("max_worst_group_drop", "group")]
)
def test_a_faster_int8_that_loses_one_class_or_group_does_not_ship(limit: str, word: str) -> None:
    choice = choose(
        _row("pruned", worst=0.01),
        _row("int8", worst=0.2),
        speedup=_figure(2.0),
        budget=Budget.model_validate({limit: 0.05}),
        runtime=RUNTIME,
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
    choice = choose(
        _row("pruned", accuracy=0.9, worst=0.0),
        _row("int8", accuracy=0.9 - lost, worst=0.0),
        speedup=_figure(2.0),
        budget=budget,
        runtime=RUNTIME,
    )
    assert choice.step == step
    assert ("no accuracy limit" in choice.reason) == (step == "pruned")


def test_an_int8_that_keeps_the_budget_ships_where_a_faster_fp32_breaks_it() -> None:
    choice = choose(
        _row("pruned", drop=0.06),
        _row("int8", drop=0.04),
        speedup=_figure(0.8),
        budget=Budget(max_accuracy_drop=0.05),
        runtime=RUNTIME,
    )
    assert (choice.step, choice.decided) == ("int8", True)
    assert "int8 keeps it" in choice.reason
