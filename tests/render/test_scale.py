from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.render.scale import Scale, linear, logarithmic

SPAN = st.floats(1e-9, 1e12)


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_even_ticks_hold_all_values_and_are_few_and_round(low: float, spread: float) -> None:
    high = low + spread
    scale = linear(low, high, start=0.0, end=100.0)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert scale.ticks[0] <= low + slack
    assert scale.ticks[-1] >= high - slack
    assert 2 <= len(scale.ticks) <= 10
    steps = [after - before for before, after in pairwise(scale.ticks)]
    assert max(steps) - min(steps) <= slack
    mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0] * (1 + 1e-9)))
    assert min(abs(mantissa - factor) for factor in (1, 2, 5)) < 1e-3 or slack > steps[0] / 1000


@given(SPAN, st.floats(1.0, 1e6))
def test_ticks_of_even_ratios_hold_all_values(low: float, ratio: float) -> None:
    scale = logarithmic(low, low * ratio, start=0.0, end=100.0)
    assert scale.ticks[0] <= low
    assert scale.ticks[-1] >= low * ratio
    assert all(1.9 < after / before < 2.6 for before, after in pairwise(scale.ticks))


@pytest.mark.parametrize(
    "scale", [linear(0.0, 7.0, start=400, end=60), logarithmic(1, 90, start=70, end=740)]
)
def test_a_place_follows_the_value_from_the_first_tick_to_the_last(scale: Scale) -> None:
    places = [scale.place(tick) for tick in scale.ticks]
    assert places[0] == pytest.approx(scale.start)
    assert places[-1] == pytest.approx(scale.end)
    assert places in (sorted(places), sorted(places, reverse=True))


def test_on_a_logarithmic_scale_equal_ratios_are_equally_far_apart() -> None:
    scale = logarithmic(1.0, 100.0, start=0.0, end=100.0)
    assert scale.place(10.0) == pytest.approx(50.0)
