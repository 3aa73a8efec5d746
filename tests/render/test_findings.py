from __future__ import annotations

from typing import Any

from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.findings import Cost, Diagnosis, Finding, Int8Coverage, Severity
from edgedistill.render.estimate import WIDTH
from edgedistill.render.findings import diagnosis_page

LATENCY = Quantity(
    value=10.0,
    low=8.0,
    high=12.0,
    confidence=0.9,
    evidence=Evidence.ESTIMATED,
    samples=12,
    method="a test",
)


def finding(**changes: Any) -> Finding:
    given = {
        "code": "float-fallback",
        "severity": Severity.HIGH,
        "problem": "computed in float",
        "remedy": "Quantize it again",
        "operators": ("Conv first", "Conv second"),
        "cost": Cost(of="latency", share_fraction=0.5, latency_ms=LATENCY),
    }
    return Finding.model_validate(given | changes)


def page(*findings: Finding, **changes: Any) -> str:
    given = {
        "model": "folder/network.onnx",
        "sha256": "0" * 64,
        "target": "board",
        "target_title": "A board",
        "runtime": "cpu",
        "opset": 20,
        "ir_version": 10,
        "operators": 12,
        "macs": 3_000_000,
        "size_mb": 1.25,
        "latency_ms": LATENCY,
        "runtime_reason": "the target's runtime is not at hand",
        "int8": Int8Coverage(
            int8_operators=3,
            float_operators=1,
            operators_fraction=0.75,
            macs_fraction=0.5,
            verified="unverified",
        ),
        "findings": findings,
    }
    return diagnosis_page(Diagnosis.model_validate(given | changes))


def test_a_page_says_what_how_dear_and_what_to_do() -> None:
    text = page(finding())
    assert text.startswith("network.onnx on A board, cpu · 3 M multiply-accumulates\n")
    assert "Estimated at 10 ms (8 ms to 12 ms, 90 %)" in text
    assert "In int8: 3 of 4 heavy operators, 50 % of their work (by the quantizers" in text
    assert "HIGH   float-fallback · 50 % of the latency, 10 ms (8 ms to 12 ms)\n" in text
    assert "  Computed in float.\n  Operators: Conv first, Conv second\n" in text
    assert text.endswith("  Remedy: Quantize it again.\n")


def test_a_cost_says_what_it_is_a_share_of() -> None:
    for of, words in (
        ("macs", "12 % of the multiply-accumulates"),
        ("elements", "12 % of the numbers read and written"),
        ("weight-bytes", "12 % of the weights' bytes"),
    ):
        assert words in page(finding(cost=Cost(of=of, share_fraction=0.123)))


def test_nothing_found_is_said() -> None:
    assert page().endswith("\n\nNothing found.\n")


def test_many_names_are_counted_and_long_ones_cut() -> None:
    text = page(finding(operators=tuple(f"Conv {n}" for n in range(51))))
    assert "Conv 5 and 45 more" in text
    assert "Conv 6" not in text
    long = page(finding(operators=("x" * 10_000,), problem="word " * 300))
    assert max(map(len, long.splitlines())) <= WIDTH


def test_names_cannot_steer_the_terminal() -> None:
    hostile = "\x1b[2J\u202eConv\r\n<script>"
    text = page(
        finding(operators=(hostile,), tensors=(hostile,), problem=hostile, remedy=hostile),
        model=f"folder/{hostile}",
        latency_ms=None,
        latency_reason=hostile,
        runtime_reason=hostile,
    )
    assert all(line.isprintable() for line in text.splitlines())
