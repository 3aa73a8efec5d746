from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.app.latencies import estimated_ratio, inverse
from edgedistill.core.evidence import Evidence, Quantity, Wider


def estimate(low: float, value: float, high: float) -> Quantity:
    return Quantity(
        value=value,
        low=low,
        high=high,
        confidence=0.9,
        evidence=Evidence.ESTIMATED,
        samples=5,
        method="test",
    )


def test_twice_as_fast_is_twice_as_fast() -> None:
    ratio = estimated_ratio(estimate(3.0, 4.0, 5.0), estimate(1.0, 2.0, 4.0))
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((0.75, 2.0, 5.0))
    assert ratio.evidence is Evidence.ESTIMATED


times = st.lists(st.floats(0.01, 100.0), min_size=3, max_size=3).map(sorted)


@given(times, times)
def test_the_ratio_leaves_one_exactly_where_the_intervals_do_not_overlap(
    one: list[float], other: list[float]
) -> None:
    slow, fast = estimate(*one), estimate(*other)
    ratio = estimated_ratio(slow, fast)
    assert (ratio.low > 1.0) == (slow.low / fast.high > 1.0)
    assert (ratio.low <= 1.0 <= ratio.high) == (
        slow.low / fast.high <= 1.0 and slow.high / fast.low >= 1.0
    )
    assert ratio.low <= ratio.value <= ratio.high


def test_a_comparison_seen_from_the_other_side_keeps_its_higher_confidences() -> None:
    ratio = estimate(1.0, 2.0, 4.0).model_copy(
        update={"wider": (Wider(confidence=0.99, low=0.5, high=8.0),)}
    )
    turned = Quantity.model_validate(inverse(ratio).model_dump())
    assert (turned.low, turned.value, turned.high) == (0.25, 0.5, 1.0)
    assert [(one.confidence, one.low, one.high) for one in turned.wider] == [(0.99, 0.125, 2.0)]
