from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill.app.choose_agreeing import broken_agreement, choose_agreeing
from edgedistill.catalog.profiles import load
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.quantized import FLOAT, NotMade, QuantizedCandidate
from edgedistill.core.report import Latency

if TYPE_CHECKING:
    from edgedistill.core.profile import Runtime

RUNTIME = load("host").runtimes["cpu"]


def figure(
    value: float, low: float, high: float, evidence: Evidence = Evidence.MEASURED_ON_DEVICE
) -> Quantity:
    return Quantity(
        value=value,
        low=low,
        high=high,
        confidence=0.95,
        evidence=evidence,
        samples=30,
        method="a test",
    )


def candidate(
    name: str, speedup: Quantity | None = None, *, broken: str | None = None
) -> QuantizedCandidate:
    p50 = counted(1.0, "a test")
    return QuantizedCandidate(
        name=name,
        file=f"candidates/{name}.onnx",
        model_sha256="0" * 64,
        scheme=None if name == FLOAT else "static U8S8",
        agreement=None,
        relative_error=None,
        broken=broken,
        latency=None
        if speedup is None and name != FLOAT
        else Latency(p50_ms=p50, speedup=speedup, stable=True),
        size_mb=counted(1.0, "a test"),
        int8=None,
    )


FP32 = candidate(FLOAT)


def with_default(precision: str) -> Runtime:
    return RUNTIME.model_copy(update={"default_precision": precision})


def test_the_fastest_of_those_that_agree_ships() -> None:
    slow = candidate("int8-u8s8", figure(1.5, 1.4, 1.6))
    fast = candidate("int8-s8s8", figure(2.0, 1.9, 2.1))
    wrong = candidate("int8-u8u8", figure(3.0, 2.9, 3.1), broken="agrees too little")
    choice = choose_agreeing([FP32, slow, fast, wrong], [], RUNTIME)
    assert (choice.name, choice.decided) == ("int8-s8s8", True)
    assert "2.00x" in choice.reason
    assert "int8-u8u8 agrees too little" in choice.reason


def test_int8_that_is_slower_does_not_ship() -> None:
    slow = candidate("int8-u8s8", figure(0.8, 0.7, 0.9))
    choice = choose_agreeing([FP32, slow], [], RUNTIME)
    assert (choice.name, choice.decided) == (FLOAT, True)
    assert "no int8 that agrees is faster" in choice.reason


@pytest.mark.parametrize(("default", "ships"), [("int8", "int8-u8s8"), ("fp32", FLOAT)])
@pytest.mark.parametrize("speedup", [figure(1.0, 0.9, 1.1), None], ids=["even", "unknown"])
def test_where_nothing_decides_the_documented_default_ships(
    default: str, ships: str, speedup: Quantity | None
) -> None:
    twin = candidate("int8-u8s8", speedup)
    choice = choose_agreeing([FP32, twin], [], with_default(default))
    assert (choice.name, choice.decided) == (ships, False)
    assert f"documented default ({default})" in choice.reason


def test_where_no_twin_agrees_the_float_model_ships_and_says_why() -> None:
    wrong = candidate("int8-u8s8", figure(3.0, 2.9, 3.1), broken="agrees too little")
    lost = NotMade(name="int8-s8s8", reason="a promise")
    choice = choose_agreeing([FP32, wrong], [lost], RUNTIME)
    assert choice.name == FLOAT
    assert "int8-u8s8 agrees too little; int8-s8s8 could not be made" in choice.reason


def test_a_target_without_int8_ships_the_float_model() -> None:
    choice = choose_agreeing([FP32], [], RUNTIME)
    assert (choice.name, choice.reason) == (FLOAT, "this target runs no int8")


def test_estimates_say_that_they_are() -> None:
    twin = candidate("int8-u8s8", figure(2.0, 1.5, 2.5, Evidence.ESTIMATED))
    assert "by the estimates" in choose_agreeing([FP32, twin], [], RUNTIME).reason


@pytest.mark.parametrize(
    ("agreement", "finite", "broken"),
    [
        (figure(0.99, 0.9, 1), True, None),
        (figure(0.9899, 0.9, 1), True, "98.99 %, less than the 99.00 %"),
        (None, True, "cannot be told"),
        (figure(1, 1, 1), False, "NaN or infinity"),
    ],
    ids=["at the limit", "below", "unknown", "not finite"],
)
def test_what_breaks_an_agreement(
    agreement: Quantity | None, finite: bool, broken: str | None
) -> None:
    found = broken_agreement(agreement, finite=finite, kind="top-1", min_agreement=0.99)
    assert (found is None) == (broken is None)
    assert broken is None or broken in (found or "")
