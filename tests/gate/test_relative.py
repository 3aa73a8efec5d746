"""Limits against a baseline: the interval of a ratio or difference, and what makes it unjudged."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.core.figure import LADDER, Evidence, Figure, Rung
from edgedistill.core.figures import CONDITIONS, Figures, Reference
from edgedistill.core.limits import EVERY, RELATIVE, Bounds
from edgedistill.core.verdict import Check, Outcome
from edgedistill.gate.case import Case
from edgedistill.gate.judge import judge_all

PASS, FAIL, UNJUDGED = Outcome.PASS, Outcome.FAIL, Outcome.UNJUDGED
HERE: dict[str, object] = {**dict.fromkeys(CONDITIONS, "alike"), "device": "pi"}
DEVICE, STAND_IN = Evidence.MEASURED_ON_DEVICE, Evidence.MEASURED_ON_STAND_IN


def figure(low: float, value: float, high: float, evidence: Evidence = DEVICE) -> Figure:
    """A figure whose interval is the same at every confidence of the ladder."""
    return Figure(
        value=value,
        low=low,
        high=high,
        confidence=0.95,
        evidence=evidence,
        samples=100,
        method="test",
        wider=tuple(Rung(at, low, high) for at in LADDER),
    )


def exact(value: float) -> Figure:
    return Figure(
        value=value,
        low=value,
        high=value,
        confidence=1.0,
        evidence=Evidence.COUNTED,
        samples=1,
        method="counted",
    )


def check(
    budget: str,
    bound: float,
    new: Figure | None,
    old: Figure | None,
    *,
    evidence: str = "measured",
    remeasured: dict[str, Figure] | None = None,
    baseline: Any = ...,
    **changes: Any,
) -> Check:
    """The one check of a limit against a baseline."""
    limit = EVERY[budget]
    reference = Reference(
        target="pi",
        model_sha256="b" * 64,
        figures={} if old is None else {limit.of: old},
        conditions=HERE,
        data_sha256="d" * 64,
    )
    case = Case(
        figures=Figures(
            run="run",
            target="pi",
            runtime="cpu",
            model="model.onnx",
            model_sha256="a" * 64,
            figures={} if new is None else {limit.of: new},
            conditions=HERE,
            data_sha256="d" * 64,
            **changes,
        ),
        bounds=Bounds({budget: bound}, evidence),  # type: ignore[arg-type]
        baseline=reference if baseline is ... else baseline,
        remeasured=remeasured or {},
    )
    (verdict,) = judge_all([case])
    (only,) = verdict.checks
    return only


def other(**changes: Any) -> Reference:
    fields: dict[str, Any] = {
        "target": "pi",
        "model_sha256": "b" * 64,
        "figures": {
            "max_peak_memory_mb": figure(1.0, 1.0, 1.0),
            "min_accuracy": figure(0.9, 0.9, 0.9),
        },
        "conditions": HERE,
        "data_sha256": "d" * 64,
    }
    return Reference(**(fields | changes))


@pytest.mark.parametrize(
    ("budget", "bound", "new", "old", "outcome"),
    [
        ("max_size_ratio", 1.1, exact(1.1), exact(1.0), PASS),
        ("max_size_ratio", 1.1, exact(1.1000001), exact(1.0), FAIL),
        ("max_peak_memory_ratio", 1.5, figure(9, 10, 12), figure(8, 9, 10), PASS),
        ("max_peak_memory_ratio", 1.49, figure(9, 10, 12), figure(8, 9, 10), UNJUDGED),
        ("max_peak_memory_ratio", 0.9, figure(9, 10, 12), figure(8, 9, 10), UNJUDGED),
        ("max_peak_memory_ratio", 0.89, figure(9, 10, 12), figure(8, 9, 10), FAIL),
        ("max_energy_ratio", 1.2, figure(9, 10, 11), figure(9.5, 10, 11), PASS),
        ("max_instructions_ratio", 1.0, exact(1e6), exact(1e6), PASS),
        ("max_instructions_ratio", 1.0, exact(1e6 + 1), exact(1e6), FAIL),
        (
            "max_accuracy_drop_from_baseline",
            0.05,
            figure(0.88, 0.9, 0.92, STAND_IN),
            figure(0.89, 0.91, 0.93, STAND_IN),
            PASS,
        ),
        (
            "max_accuracy_drop_from_baseline",
            0.04,
            figure(0.88, 0.9, 0.92, STAND_IN),
            figure(0.89, 0.91, 0.93, STAND_IN),
            UNJUDGED,
        ),
        (
            "max_accuracy_drop_from_baseline",
            0.01,
            figure(0.68, 0.7, 0.72),
            figure(0.89, 0.91, 0.93),
            FAIL,
        ),
        (
            "max_worst_class_drop_rise",
            0.03,
            figure(0.0, 0.01, 0.02),
            figure(-0.01, 0.0, 0.0),
            PASS,
        ),
        ("max_worst_group_drop_rise", 0.0, figure(0.2, 0.3, 0.4), figure(0.0, 0.0, 0.1), FAIL),
        ("max_accuracy_drop_rise", 0.0, figure(0.0, 0.0, 0.1), figure(0.0, 0.0, 0.1), UNJUDGED),
        ("max_int8_share_fall", 0.05, exact(0.9), exact(0.95), PASS),
        ("max_int8_share_fall", 0.04, exact(0.9), exact(0.95), FAIL),
        ("max_parity_error_ratio", 2.0, exact(2e-5), exact(1e-5), PASS),
    ],
)
def test_the_whole_interval_of_the_change_is_judged(
    budget: str, bound: float, new: Figure, old: Figure, outcome: Outcome
) -> None:
    # A difference of two decimals may be a hair beyond its limit.
    slack = 1e-12 if bound in (0.05, 0.03) else 0.0
    found = check(budget, bound + slack, new, old)
    assert found.outcome is outcome, found.reason
    assert "baseline" in found.reason


def test_both_intervals_are_taken_at_half_the_doubt() -> None:
    steps = tuple(Rung(at, 10 - at, 10 + at) for at in LADDER)
    new = Figure(
        value=10.0,
        low=9.5,
        high=10.5,
        confidence=0.95,
        evidence=DEVICE,
        samples=9,
        method="test",
        wider=steps,
    )
    found = check("max_peak_memory_ratio", 9.0, new, new)
    # 0.95 for the ratio is 0.975 for each of two: the rung of 0.99.
    assert found.figure is not None
    assert (found.figure.low, found.figure.high) == (9.01 / 10.99, 10.99 / 9.01)
    assert found.figure.confidence == pytest.approx(0.98)


ENDS = st.lists(st.floats(0.001, 1000.0), min_size=3, max_size=3).map(sorted)


@settings(deadline=None)
@given(new=ENDS, old=ENDS, shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_ratio_and_a_difference_hold_those_of_any_two_points_of_the_intervals(
    new: list[float], old: list[float], shares: tuple[float, float]
) -> None:
    points = [
        min(max(ends[0] + share * (ends[2] - ends[0]), ends[0]), ends[2])
        for ends, share in zip((new, old), shares, strict=True)
    ]
    ratio = check("max_peak_memory_ratio", 1.0, figure(*new), figure(*old)).figure
    rise = check("max_accuracy_drop_rise", 1.0, figure(*new), figure(*old)).figure
    fall = check("max_accuracy_drop_from_baseline", 1.0, figure(*new), figure(*old)).figure
    assert ratio is not None
    assert rise is not None
    assert fall is not None
    near = 1e-12
    assert ratio.low * (1 - near) <= points[0] / points[1] <= ratio.high * (1 + near)
    difference = points[0] - points[1]
    assert rise.low - 1e-9 <= difference <= rise.high + 1e-9
    assert fall.low - 1e-9 <= -difference <= fall.high + 1e-9
    assert all(one.low <= one.value <= one.high for one in (ratio, rise, fall))


@pytest.mark.parametrize("limit", RELATIVE, ids=lambda limit: limit.budget)
def test_without_a_baseline_nothing_is_judged(limit: Any) -> None:
    found = check(limit.budget, 0.5, exact(0.5), None, baseline=None)
    assert found.outcome is UNJUDGED
    assert "--baseline" in found.reason


@pytest.mark.parametrize("limit", RELATIVE, ids=lambda limit: limit.budget)
def test_a_baseline_of_another_device_judges_nothing(limit: Any) -> None:
    found = check(limit.budget, 0.9, exact(0.5), None, baseline=other(target="jetson", figures={}))
    assert found.outcome is UNJUDGED
    assert "the baseline is of jetson" in found.reason.lower()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (other(figures={}), "the baseline has no memory"),
        (other(conditions=None), "under which conditions"),
        (other(conditions={**HERE, "threads": 4}), "threads 4 against alike"),
        (
            other(figures={"max_peak_memory_mb": figure(1, 1, 1, Evidence.EMULATED)}),
            "in the baseline the memory that one inference adds is emulated",
        ),
        (
            other(figures={"max_peak_memory_mb": figure(0, 1, 1)}),
            "may be 0, so there is no ratio",
        ),
    ],
)
def test_figures_that_cannot_be_compared_are_not(limits: Reference, words: str) -> None:
    found = check("max_peak_memory_ratio", 99.0, figure(1, 1, 1), None, baseline=limits)
    assert found.outcome is UNJUDGED
    assert words.lower() in found.reason.lower()


def test_accuracies_on_other_data_are_not_compared() -> None:
    found = check(
        "max_accuracy_drop_from_baseline",
        0.5,
        figure(0.9, 0.9, 0.9),
        None,
        baseline=other(data_sha256="e" * 64),
    )
    assert found.outcome is UNJUDGED
    assert "other data" in found.reason


def test_the_same_model_on_the_same_data_has_lost_nothing() -> None:
    wide = figure(0.5, 0.9, 1.0)
    same = other(model_sha256="a" * 64, figures={"min_accuracy": wide})
    found = check("max_accuracy_drop_from_baseline", 0.0, wide, None, baseline=same)
    assert found.outcome is PASS
    unknown = other(model_sha256="a" * 64, figures={"min_accuracy": wide}, data_sha256=None)
    found = check("max_accuracy_drop_from_baseline", 0.0, wide, None, baseline=unknown)
    assert found.outcome is UNJUDGED


def test_the_same_model_measured_twice_may_differ_all_the_same() -> None:
    same = other(model_sha256="a" * 64, figures={"max_energy_mj": figure(9, 10, 11)})
    found = check("max_energy_ratio", 1.0, figure(9, 10, 11), None, baseline=same)
    assert found.outcome is UNJUDGED


def test_stored_milliseconds_prove_no_change() -> None:
    fast, slow = figure(1.0, 1.0, 1.0), figure(9.0, 9.0, 9.0)
    for new, old in ((fast, slow), (slow, fast)):
        found = check("max_latency_p50_ratio", 1.0, new, old)
        assert found.outcome is UNJUDGED
        assert "milliseconds stored at another time" in found.reason.lower()


@pytest.mark.parametrize(
    ("ratio", "outcome"),
    [
        (figure(0.9, 0.95, 1.0), PASS),
        (figure(0.9, 0.95, 1.01), UNJUDGED),
        (figure(1.01, 1.02, 1.03), FAIL),
        (figure(0.1, 0.1, 0.1, STAND_IN), UNJUDGED),
        (figure(0.1, 0.1, 0.1, Evidence.ESTIMATED), UNJUDGED),
        (exact(1.0), PASS),
        (figure(math.nan, 0.95, 0.9), UNJUDGED),
    ],
)
def test_a_ratio_from_the_same_rounds_is_judged(ratio: Figure, outcome: Outcome) -> None:
    measured = {"latency_p50_ms": ratio}
    old = figure(1.0, 1.0, 1.0)
    assert check("max_latency_p50_ratio", 1.0, old, old, remeasured=measured).outcome is outcome


def test_estimates_are_compared_only_where_an_estimate_is_enough() -> None:
    estimate = Figure(
        value=10.0,
        low=9.0,
        high=11.0,
        confidence=0.9,
        evidence=Evidence.ESTIMATED,
        samples=28,
        method="test",
    )
    found = check("max_peak_memory_ratio", 2.0, estimate, estimate)
    assert (found.outcome, "wants a measurement" in found.reason) == (UNJUDGED, True)
    found = check("max_peak_memory_ratio", 2.0, estimate, estimate, evidence="estimated")
    assert found.outcome is PASS
    assert found.figure is not None
    assert found.figure.confidence == pytest.approx(0.8)
    assert found.figure.evidence is Evidence.ESTIMATED
