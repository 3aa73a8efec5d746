from __future__ import annotations

from edgedistill.app.agreement_limits import AgreementLimits
from edgedistill.app.quantize_results import _for_less
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.quantized import QuantizedCandidate
from edgedistill.core.report import Latency


def figure(value: float) -> Quantity:
    return Quantity(
        value=value,
        low=value,
        high=value,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=30,
        method="a test",
    )


def fast(agreement: float, error: float | None, broken: str) -> QuantizedCandidate:
    return QuantizedCandidate(
        name="int8",
        file="candidates/int8.onnx",
        precision="int8",
        model_sha256="0" * 64,
        scheme=None,
        agreement=figure(agreement),
        relative_error=error,
        broken=broken,
        latency=Latency(p50_ms=figure(1.0), speedup=figure(2.0), stable=True),
        size_mb=counted(1.0, "a test"),
        int8=None,
    )


def test_what_a_looser_limit_would_bring_names_each_limit_that_is_broken() -> None:
    limits = AgreementLimits(0.99, max_relative_error=0.01)
    both = _for_less(fast(0.95, 0.02341, "agrees too little"), limits)
    assert "an agreement of 0.95 and a relative error of 0.0235 is enough" in both
    assert "(--min-agreement, --max-relative-error)" in both
    assert "an agreement" not in _for_less(fast(1.0, 0.02, "is too far"), limits)


def test_what_no_looser_limit_would_let_ship_is_told_as_it_is() -> None:
    limits = AgreementLimits(0.99)
    told = _for_less(fast(1.0, None, "gives NaN or infinity"), limits)
    assert told == "int8 is 2.00x as fast as fp32, but it gives NaN or infinity."
