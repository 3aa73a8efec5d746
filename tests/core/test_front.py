from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.front import costs, front, rows_on_front
from edgedistill.core.report import Latency, Row

Point = tuple[float, float]

FEW = st.integers(0, 4).map(float)
"""Few values, so that ties are common."""
ANY = st.floats(allow_nan=True, allow_infinity=True)


def beats(one: Point, other: Point) -> bool:
    """The definition: at least as good in both, better in one."""
    at_least = one[0] >= other[0] and one[1] <= other[1]
    return at_least and (one[0] > other[0] or one[1] < other[1])


def by_definition(points: list[Point]) -> tuple[bool, ...]:
    finite = [all(map(math.isfinite, point)) for point in points]
    return tuple(
        sound
        and not any(beats(other, point) for other, fine in zip(points, finite, strict=True) if fine)
        for point, sound in zip(points, finite, strict=True)
    )


@given(st.lists(st.tuples(FEW, FEW), max_size=12) | st.lists(st.tuples(ANY, ANY), max_size=12))
def test_the_front_is_what_no_other_point_beats(points: list[Point]) -> None:
    assert front(points) == by_definition(points)


@given(st.lists(st.tuples(FEW, FEW), min_size=1, max_size=12))
def test_the_front_is_never_empty_and_does_not_depend_on_order(points: list[Point]) -> None:
    on = {point for point, kept in zip(points, front(points), strict=True) if kept}
    assert on
    turned = points[::-1]
    assert {point for point, kept in zip(turned, front(turned), strict=True) if kept} == on


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_no_number_is_never_on_the_front_and_beats_none(bad: float) -> None:
    assert front([(bad, 1.0), (0.5, bad), (0.4, 2.0)]) == (False, False, True)


def _row(accuracy: float, macs: float, median_ms: float | None) -> Row:
    def exact(value: float) -> Quantity:
        return counted(value, "test").model_copy(update={"evidence": Evidence.MEASURED_ON_DEVICE})

    return Row(
        step="distilled",
        precision="fp32",
        model_sha256="0" * 64,
        accuracy=exact(accuracy),
        test_accuracy=None,
        accuracy_drop=None,
        agreement=None,
        worst_class=None,
        worst_group=None,
        latency=None if median_ms is None else Latency(p50_ms=exact(median_ms), stable=True),
        size_mb=counted(1.0, "test"),
        macs=counted(macs, "test"),
        parameters=counted(1.0, "test"),
    )


def test_cost_is_latency_where_all_were_measured_and_else_multiply_accumulates() -> None:
    measured = [_row(0.9, 100, 3.0), _row(0.8, 200, 2.0)]
    assert costs(measured) == (3.0, 2.0)
    assert rows_on_front(measured) == (True, True)
    partly = [measured[0], _row(0.8, 200, None)]
    assert costs(partly) == (100, 200)
    assert rows_on_front(partly) == (True, False)


def test_a_teacher_behind_an_endpoint_has_no_cost_so_it_is_off_the_front_and_beats_none() -> None:
    no_file = dict.fromkeys(("precision", "model_sha256", "size_mb", "macs", "parameters"))
    asked = Row(**{**dict(_row(0.99, 1, None)), "step": "teacher", **no_file})
    measured = [asked, _row(0.9, 100, 3.0)]
    assert math.isnan(costs(measured)[0])
    assert costs(measured)[1:] == (3.0,)
    assert rows_on_front(measured) == (False, True)
    assert rows_on_front([asked, _row(0.9, 100, None)]) == (False, True)
