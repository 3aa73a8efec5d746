from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.estimate import Estimate, KindCost
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.fitted import FitError
from edgedistill.core.operator_kind import Kind
from edgedistill.render.estimate import WIDTH, estimates_page

LATENCY = Quantity(
    value=123.4,
    low=100.1,
    high=150.6,
    confidence=0.9,
    evidence=Evidence.ESTIMATED,
    samples=154,
    method="a roofline of each operator " * 6,
)


SHARES = (0.5, 0.2, 0.1, 0.05, 0.05, 0.05, 0.03, 0.02)


def estimate(**changes: Any) -> Estimate:
    return Estimate.model_validate(
        {
            "network": "resnet50.onnx",
            "target": "raspberry-pi-4",
            "target_title": "Raspberry Pi 4 Model B",
            "runtime": "cpu",
            "precision": "fp32",
            "threads": 4,
            "macs": 4_100_000_000,
            "tier": "measured",
            "latency_ms": LATENCY,
            "measurements": 154,
            "devices": tuple(f"board {n}" for n in range(9)),
            "sources": ("Deeplite YOLOBench (Apache-2.0)",),
            "by_kind": tuple(
                KindCost(
                    kind=kind,
                    operators=3,
                    macs=10,
                    latency_ms=123.4 * share,
                    share_fraction=share,
                )
                for kind, share in zip(list(Kind)[:8], SHARES, strict=True)
            ),
            **changes,
        }
    )


def test_a_page_says_how_long_how_sure_and_on_what_it_rests() -> None:
    error = FitError(
        mean_percent=3.41, median_percent=2.5, p90_percent=7.0, within_10_percent_fraction=0.97
    )
    page = estimates_page([estimate(error=error, size_mb=counted(97.8, "bytes of the file"))])
    for words in (
        "resnet50.onnx · 4.1 G multiply-accumulates",
        "123 ms",
        "100 to 151 ms (90 %)",
        "measured, n = 154",
        "by 3.41 % on average",
        "board 5 and 3 more",
        "Source: Deeplite YOLOBench (Apache-2.0)",
        "Where the time goes:",
        "2 other kinds",
        "Size of the file: 97.8 MB.",
    ):
        assert words in page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_what_is_not_estimated_has_a_dash_and_a_reason() -> None:
    nothing = estimate(
        latency_ms=None, tier="unsupported", reason="the NPU decides", by_kind=(), measurements=0
    )
    page = estimates_page([estimate(), nothing])
    assert "Not estimated: the NPU decides." in page
    (line,) = [line for line in page.splitlines() if line.endswith("unsupported")]
    assert " - " in line


def test_the_start_of_a_unit_is_a_line_of_its_own() -> None:
    half = KindCost(kind=Kind.POINTWISE, operators=1, macs=1, latency_ms=61.7, share_fraction=0.5)
    page = estimates_page([estimate(by_kind=(half,))])
    (line,) = [line for line in page.splitlines() if line.strip().startswith("start")]
    assert "50.0 %" in line
    assert "61.7 ms" in line


@pytest.mark.parametrize("wrong", [{"latency_ms": None}, {"reason": "none"}])
def test_an_estimate_has_a_latency_or_a_reason(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a latency, or tier 'unsupported' and a reason"):
        estimate(**wrong)
