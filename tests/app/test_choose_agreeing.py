from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.app.choose_agreeing import choose_agreeing
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.quantized import FLOAT, NotMade, QuantizedCandidate, Shipped
from edgedistill.core.report import Latency

if TYPE_CHECKING:
    from edgedistill.core.profile import Precision


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
    name: str, p50_ms: float | None = 1.0, *, broken: str | None = None, **how: Any
) -> QuantizedCandidate:
    precision = "fp32" if name == FLOAT else "int8"
    return QuantizedCandidate(
        name=name,
        file=f"candidates/{name}.onnx",
        precision=precision,
        model_sha256="0" * 64,
        scheme=None,
        agreement=how.get("agreement", None if name == FLOAT else figure(0.9, 0.8, 1.0)),
        relative_error=None,
        broken=broken,
        latency=None
        if p50_ms is None
        else Latency(p50_ms=figure(p50_ms, p50_ms, p50_ms, **_evidence(how)), stable=True),
        size_mb=counted(1.0, "a test"),
        int8=None,
    )


def _evidence(how: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in how.items() if key == "evidence"}


def choose(
    *candidates: QuantizedCandidate,
    not_made: tuple[NotMade, ...] = (),
    default: Precision = "int8",
    spread: float = 0.01,
) -> Shipped:
    """The choice where each comparison is known to within a spread."""
    times = {one.name: one.latency and one.latency.p50_ms for one in candidates}

    def speedup(one: str, other: str) -> Quantity | None:
        fast, slow = times[one], times[other]
        if fast is None or slow is None:
            return None
        ratio = slow.value / fast.value
        return figure(ratio, ratio * (1 - spread), ratio * (1 + spread), evidence=fast.evidence)

    return choose_agreeing(candidates, not_made, speedup=speedup, default=default)


FP32 = candidate(FLOAT, 2.0)


def test_the_fastest_of_those_that_agree_ships() -> None:
    slow, fast = candidate("int8-U8S8", 1.5), candidate("int8-S8S8", 1.0)
    wrong = candidate("int8-U8U8", 0.5, broken="agrees too little")
    choice = choose(FP32, slow, fast, wrong)
    assert (choice.name, choice.decided) == ("int8-S8S8", True)
    assert "2.00x" in choice.reason
    assert "int8-U8U8 agrees too little" in choice.reason


def test_int8_that_is_slower_does_not_ship() -> None:
    choice = choose(FP32, candidate("int8-U8S8", 2.5))
    assert (choice.name, choice.decided) == (FLOAT, True)
    assert "int8-U8S8 is only 0.80x" in choice.reason


@pytest.mark.parametrize(("default", "ships"), [("int8", "int8-U8S8"), ("fp32", FLOAT)])
@pytest.mark.parametrize("p50_ms", [2.0, None], ids=["even", "unknown"])
def test_where_nothing_decides_the_documented_default_ships(
    default: Precision, ships: str, p50_ms: float | None
) -> None:
    known = candidate(FLOAT, p50_ms)
    choice = choose(known, candidate("int8-U8S8", p50_ms), default=default)
    assert (choice.name, choice.decided) == (ships, False)
    assert f"documented default ({default})" in choice.reason


def test_where_no_twin_agrees_the_float_model_ships_and_says_why() -> None:
    wrong = candidate("int8-U8S8", 0.5, broken="agrees too little")
    choice = choose(FP32, wrong, not_made=(NotMade(name="int8-S8S8", reason="a promise"),))
    assert (choice.name, choice.decided) == (FLOAT, True)
    assert "int8-U8S8 agrees too little; int8-S8S8 could not be made" in choice.reason


def test_where_no_agreement_is_told_the_float_model_ships_undecided() -> None:
    unknown = candidate("int8-U8S8", 0.5, broken="cannot be told", agreement=None)
    choice = choose(FP32, unknown)
    assert (choice.name, choice.decided) == (FLOAT, False)


def test_a_target_without_int8_ships_the_float_model() -> None:
    choice = choose(FP32)
    assert (choice.name, choice.reason) == (FLOAT, "this target runs nothing but fp32")


def test_estimates_say_that_they_are() -> None:
    told = {"evidence": Evidence.ESTIMATED}
    choice = choose(candidate(FLOAT, 2.0, **told), candidate("int8-U8S8", 1.0, **told))
    assert "by the estimates" in choice.reason
