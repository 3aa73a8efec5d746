from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.app.choose_student import Contender, choose_student
from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.report import Choice, Latency, Row

if TYPE_CHECKING:
    from collections.abc import Callable


def _figure(value: float, half: float = 0.0) -> Quantity:
    return Quantity(
        value=value,
        low=value - half,
        high=value + half,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=100,
        method="test",
    )


def _student(  # each of them decides in one of the tests
    name: str,
    *,
    accuracy: float = 0.9,
    drop: float = 0.0,
    median_ms: float | None = 1.0,
    half_ms: float = 0.0,
    size_mb: float = 1.0,
    macs: float = 1e6,
    decided: bool = True,
) -> Contender:
    latency = (
        None if median_ms is None else Latency(p50_ms=_figure(median_ms, half_ms), stable=True)
    )
    row = Row(
        step="int8",
        precision="int8",
        model_sha256="0" * 64,
        accuracy=_figure(accuracy),
        test_accuracy=None,
        accuracy_drop=_figure(drop),
        agreement=None,
        worst_class=None,
        worst_group=None,
        latency=latency,
        size_mb=counted(size_mb, "test"),
        macs=counted(macs, "test"),
        parameters=counted(1.0, "test"),
    )
    choice = Choice(step="int8", model="m", decided=decided, reason="int8 is fastest")
    return Contender(name, row, choice)


def _by_value(
    contenders: tuple[Contender, ...], half: float = 0.0
) -> Callable[..., Quantity | None]:
    """The ratio of two medians, with an interval that is so wide on both sides."""
    medians = {
        one.name: one.row.latency.p50_ms.value for one in contenders if one.row.latency is not None
    }

    def speedup(name: str, reference: str) -> Quantity | None:
        if name not in medians:
            return None
        return _figure(medians[reference] / medians[name], half)

    return speedup


def _choose(*contenders: Contender, half: float = 0.0, **budget: float) -> Choice:
    return choose_student(
        contenders, speedup=_by_value(contenders, half), budget=Budget.model_validate(budget)
    )


def test_the_fastest_of_those_that_keep_the_accuracy_ships() -> None:
    choice = _choose(
        _student("wide", drop=0.01, median_ms=3.0),
        _student("middle", drop=0.02, median_ms=2.0),
        _student("small", drop=0.09, median_ms=1.0),
        max_accuracy_drop=0.05,
    )
    assert (choice.student, choice.step, choice.model, choice.decided) == (
        "middle",
        "int8",
        "model.onnx",
        True,
    )
    assert choice.reason == (
        "2 of 3 students keep the budget's limits on accuracy; of these middle has the lowest "
        "median latency, 2 ms, before wide with 3 ms. Of the steps of middle, int8 ships: int8 is "
        "fastest"
    )


def test_what_the_measurement_cannot_tell_goes_to_the_earlier_in_the_recipe() -> None:
    students = (
        _student("slow", median_ms=2.0),
        _student("first", median_ms=1.01),
        _student("fastest", median_ms=1.0),
    )
    tied = _choose(*students, half=0.05, min_accuracy=0.5)
    assert (tied.student, tied.decided) == ("first", False)
    assert "cannot tell fastest (1 ms), first (1.01 ms) apart" in tied.reason
    sure = _choose(*students, half=0.005, min_accuracy=0.5)
    assert (sure.student, sure.decided) == ("fastest", True)


def test_an_interval_that_touches_one_tells_nothing() -> None:
    students = (_student("first", median_ms=1.25), _student("fastest", median_ms=1.0))
    assert _choose(*students, half=0.25, min_accuracy=0.5).student == "first"
    assert _choose(*students, half=0.24, min_accuracy=0.5).student == "fastest"


def test_where_nothing_was_measured_the_fewest_multiply_accumulates_ship() -> None:
    choice = _choose(
        _student("wide", median_ms=None, macs=3e6),
        _student("small", median_ms=None, macs=1e6),
        _student("same", median_ms=None, macs=1e6),
        min_accuracy=0.5,
    )
    assert (choice.student, choice.decided) == ("small", False)
    assert "small has the fewest multiply-accumulates, 1 M, before same with 1 M" in choice.reason
    assert "no latency was measured or estimated here" in choice.reason


def test_where_none_keeps_the_accuracy_the_most_accurate_ships_and_the_reason_says_so() -> None:
    choice = _choose(
        _student("small", accuracy=0.7, drop=0.25, median_ms=1.0),
        _student("wide", accuracy=0.8, drop=0.15, median_ms=2.0),
        max_accuracy_drop=0.05,
    )
    assert (choice.student, choice.decided) == ("wide", True)
    assert choice.reason.startswith(
        "no student keeps the budget's limits on accuracy; wide has the highest accuracy, 80.00 %, "
        "before small with 70.00 %, but it loses 15.00 % accuracy against the teacher, more than "
        "the budget's 5.00 %."
    )


def test_a_fast_student_that_is_too_large_does_not_ship() -> None:
    choice = _choose(
        _student("large", median_ms=1.0, size_mb=5.0),
        _student("slim", median_ms=2.0, size_mb=1.0),
        min_accuracy=0.5,
        max_size_mb=2.0,
    )
    assert choice.student == "slim"
    assert choice.reason.startswith(
        "1 of 2 students keeps the budget's limits on accuracy and size"
    )


def test_without_an_accuracy_limit_the_most_accurate_within_the_latency_ships() -> None:
    students = (
        _student("small", accuracy=0.8, median_ms=1.0),
        _student("middle", accuracy=0.9, median_ms=2.0),
        _student("wide", accuracy=0.95, median_ms=3.0),
    )
    assert _choose(*students, latency_p50_ms=2.5).student == "middle"
    assert _choose(*students, latency_p50_ms=9.0).student == "wide"
    assert _choose(*students, latency_p50_ms=9.0).decided
    assert _choose(*students).student == "wide"
    assert "has no limit to choose by; wide has the highest" in _choose(*students).reason


def test_a_latency_is_kept_where_its_whole_interval_is_inside_as_the_gate_judges() -> None:
    choice = _choose(
        _student("sure", accuracy=0.8, median_ms=1.0, half_ms=0.1),
        _student("unsure", accuracy=0.9, median_ms=1.9, half_ms=0.2),
        latency_p50_ms=2.0,
    )
    assert choice.student == "sure"


def test_where_none_keeps_the_latency_the_most_accurate_ships_and_the_reason_says_so() -> None:
    choice = _choose(
        _student("small", accuracy=0.8, median_ms=3.0),
        _student("wide", accuracy=0.9, median_ms=4.0),
        latency_p50_ms=2.0,
    )
    assert (choice.student, choice.decided) == ("wide", True)
    assert "no student keeps the budget's limits on latency; wide has" in choice.reason
    assert "but its median latency 4 ms" in choice.reason
    assert "against a limit of 2 ms" in choice.reason


@pytest.mark.parametrize("limit", ["latency_p50_ms", "latency_p95_ms"])
def test_a_latency_that_nobody_measured_is_not_kept(limit: str) -> None:
    choice = _choose(
        _student("small", accuracy=0.8, median_ms=None),
        _student("wide", accuracy=0.9, median_ms=None),
        **{limit: 100.0},
    )
    assert (choice.student, choice.decided) == ("wide", False)
    assert "to hold against the budget" in choice.reason


def test_an_open_choice_within_the_student_stays_open() -> None:
    assert not _choose(_student("a", decided=False), min_accuracy=0.5).decided


LIMITS = st.sampled_from(
    [
        {},
        {"max_accuracy_drop": 0.05},
        {"latency_p50_ms": 2.0},
        {"min_accuracy": 0.8, "max_size_mb": 2},
    ]
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.7, 0.8, 0.9]),
            st.sampled_from([0.0, 0.05, 0.1]),
            st.sampled_from([1.0, 2.0, 3.0]),
            st.sampled_from([1.0, 3.0]),
        ),
        min_size=1,
        max_size=6,
    ),
    LIMITS,
)
def test_what_ships_keeps_the_limits_wherever_any_student_does(
    drawn: list[tuple[float, float, float, float]], limits: dict[str, float]
) -> None:
    students = [
        _student(f"s{place}", accuracy=accuracy, drop=drop, median_ms=median, size_mb=size)
        for place, (accuracy, drop, median, size) in enumerate(drawn)
    ]

    def keeps(one: Contender) -> bool:
        _, drop, median, size = drawn[students.index(one)]
        accuracy = one.row.accuracy.value
        return (
            drop <= limits.get("max_accuracy_drop", 1)
            and accuracy >= limits.get("min_accuracy", 0)
            and median <= limits.get("latency_p50_ms", 9)
            and size <= limits.get("max_size_mb", 9)
        )

    keepers = [one for one in students if keeps(one)]
    choice = _choose(*students, **limits)
    by_speed = "max_accuracy_drop" in limits or "min_accuracy" in limits
    if keepers and by_speed:
        medians = {one.name: drawn[students.index(one)][2] for one in keepers}
        expected = min(keepers, key=lambda one: medians[one.name])
    else:
        expected = max(keepers or students, key=lambda one: one.row.accuracy.value)
    assert choice.student == expected.name
