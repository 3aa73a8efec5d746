from __future__ import annotations

import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.limits import EVERY
from edgedistill.core.verdict import Outcome
from edgedistill.gate.judge import compare, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.report import Report

PASS, FAIL, UNJUDGED = Outcome.PASS, Outcome.FAIL, Outcome.UNJUDGED
STAND_IN = {"evidence": Evidence.MEASURED_ON_STAND_IN}
EMULATED = {"evidence": Evidence.EMULATED}
ESTIMATED = {"evidence": Evidence.ESTIMATED}
COUNTED = {"evidence": Evidence.COUNTED}
MS = (1.8, 2.0, 2.3)

# name, report (figures as (low, value, high[, changes])), budget, outcome, part of the reason
TABLE: list[tuple[str, dict[str, Any], dict[str, Any], Outcome, str]] = [
    ("p50 inside", {"p50": MS}, {"latency_p50_ms": 3.0}, PASS, "inside"),
    ("p50 touched exactly", {"p50": MS}, {"latency_p50_ms": 2.3}, PASS, "2.3 ms"),
    (
        "p50 just over",
        {"p50": MS},
        {"latency_p50_ms": 2.2999999},
        UNJUDGED,
        "limit of 2.2999999 ms",
    ),
    ("p50 straddles above", {"p50": MS}, {"latency_p50_ms": 2.1}, UNJUDGED, "900 samples"),
    ("p50 straddles below", {"p50": MS}, {"latency_p50_ms": 1.9}, UNJUDGED, "400 samples"),
    ("p50 equals value", {"p50": MS}, {"latency_p50_ms": 2.0}, UNJUDGED, "hardly settle"),
    ("p50 low equals limit", {"p50": MS}, {"latency_p50_ms": 1.8}, UNJUDGED, "110 samples"),
    ("p50 outside", {"p50": MS}, {"latency_p50_ms": 1.5}, FAIL, "outside"),
    (
        "p50 hardly outside",
        {"p50": MS},
        {"latency_p50_ms": 1.7999999},
        FAIL,
        "limit of 1.7999999 ms",
    ),
    ("no latency", {}, {"latency_p50_ms": 3.0}, UNJUDGED, "Measure on the device"),
    ("stand-in", {"p50": (*MS, STAND_IN)}, {"latency_p50_ms": 99.0}, UNJUDGED, "stand-in"),
    ("stand-in over", {"p50": (*MS, STAND_IN)}, {"latency_p50_ms": 0.1}, UNJUDGED, "stand-in"),
    ("emulated", {"p50": (*MS, EMULATED)}, {"latency_p50_ms": 99.0}, UNJUDGED, "emulated"),
    (
        "emulated is no estimate",
        {"p50": (*MS, EMULATED)},
        {"latency_p50_ms": 99.0, "evidence": "estimated"},
        UNJUDGED,
        "emulated",
    ),
    ("counted", {"p50": (*MS, COUNTED)}, {"latency_p50_ms": 99.0}, UNJUDGED, "counted"),
    (
        "estimate, measurement wanted",
        {"p50": (*MS, ESTIMATED)},
        {"latency_p50_ms": 99.0},
        UNJUDGED,
        "wants a measurement",
    ),
    (
        "estimate outside, measurement wanted",
        {"p50": (*MS, ESTIMATED)},
        {"latency_p50_ms": 0.1},
        UNJUDGED,
        "wants a measurement",
    ),
    (
        "estimate inside, enough",
        {"p50": (*MS, ESTIMATED)},
        {"latency_p50_ms": 2.3, "evidence": "estimated"},
        PASS,
        "estimated",
    ),
    (
        "estimate straddles",
        {"p50": (*MS, ESTIMATED)},
        {"latency_p50_ms": 2.1, "evidence": "estimated"},
        UNJUDGED,
        "Measure on the device itself",
    ),
    (
        "percentile of an estimate",
        {"p50": (*MS, ESTIMATED)},
        {"latency_p95_ms": 99.0, "evidence": "estimated"},
        UNJUDGED,
        "an estimate speaks of the median only",
    ),
    (
        "memory estimated, enough",
        {"peak_memory": (8.0, 10.0, 12.0, ESTIMATED)},
        {"max_peak_memory_mb": 12.0, "evidence": "estimated"},
        PASS,
        "12 MB",
    ),
    (
        "memory estimated, measurement wanted",
        {"peak_memory": (8.0, 10.0, 12.0, ESTIMATED)},
        {"max_peak_memory_mb": 99.0},
        UNJUDGED,
        "wants a measurement",
    ),
    (
        "memory straddles",
        {"peak_memory": (8.0, 10.0, 12.0, ESTIMATED)},
        {"max_peak_memory_mb": 11.0, "evidence": "estimated"},
        UNJUDGED,
        "Measure the process on the device itself",
    ),
    (
        "memory outside",
        {"peak_memory": (8.0, 10.0, 12.0, ESTIMATED)},
        {"max_peak_memory_mb": 7.0, "evidence": "estimated"},
        FAIL,
        "outside",
    ),
    ("memory missing", {}, {"max_peak_memory_mb": 7.0}, UNJUDGED, "has no memory"),
    (
        "energy inside",
        {"energy": (1.0, 2.0, 4.0, ESTIMATED)},
        {"max_energy_mj": 4.0, "evidence": "estimated"},
        PASS,
        "4 mJ",
    ),
    (
        "energy outside",
        {"energy": (1.0, 2.0, 4.0, ESTIMATED)},
        {"max_energy_mj": 0.5, "evidence": "estimated"},
        FAIL,
        "outside",
    ),
    ("energy missing", {}, {"max_energy_mj": 7.0}, UNJUDGED, "power figures"),
    (
        "energy by a stand-in",
        {"energy": (1.0, 2.0, 4.0, STAND_IN)},
        {"max_energy_mj": 7.0, "evidence": "estimated"},
        UNJUDGED,
        "with a meter",
    ),
    (
        "estimate outside, enough",
        {"p50": (*MS, ESTIMATED)},
        {"latency_p50_ms": 1.0, "evidence": "estimated"},
        FAIL,
        "outside",
    ),
    (
        "estimate without conditions",
        {"p50": (*MS, ESTIMATED), "conditions": None},
        {"latency_p50_ms": 3.0, "evidence": "estimated"},
        PASS,
        "estimated",
    ),
    (
        "measured where an estimate is enough",
        {"p50": MS},
        {"latency_p50_ms": 3.0, "evidence": "estimated"},
        PASS,
        "measured-on-device",
    ),
    (
        "measured without conditions",
        {"p50": MS, "conditions": None},
        {"latency_p50_ms": 3.0},
        UNJUDGED,
        "conditions",
    ),
    (
        "measured on another device",
        {"p50": MS, "target": "raspberry-pi-5"},
        {"latency_p50_ms": 3.0},
        UNJUDGED,
        "Measure on raspberry-pi-5",
    ),
    (
        "disturbed but inside",
        {"p50": MS, "stable": False},
        {"latency_p50_ms": 3.0},
        PASS,
        "inside",
    ),
    (
        "disturbed and outside",
        {"p50": MS, "stable": False},
        {"latency_p50_ms": 1.0},
        UNJUDGED,
        "disturbed",
    ),
    ("p90 inside", {"p50": MS, "p90": MS}, {"latency_p90_ms": 2.5}, PASS, "90th"),
    ("p90 missing", {"p50": MS}, {"latency_p90_ms": 2.5}, UNJUDGED, "more runs"),
    ("p95 inside", {"p50": MS, "p95": MS}, {"latency_p95_ms": 2.5}, PASS, "95th"),
    ("p95 outside", {"p50": MS, "p95": (4.0, 5.0, 6.0)}, {"latency_p95_ms": 3.0}, FAIL, "5 ms"),
    ("p95 missing", {"p50": MS}, {"latency_p95_ms": 2.5}, UNJUDGED, "more runs"),
    (
        "accuracy inside",
        {"accuracy": (0.9, 0.92, 0.94)},
        {"min_accuracy": 0.85},
        PASS,
        "floor of 85 %",
    ),
    ("accuracy touched", {"accuracy": (0.9, 0.92, 0.94)}, {"min_accuracy": 0.9}, PASS, "90 %"),
    (
        "accuracy straddles below",
        {"accuracy": (0.9, 0.92, 0.94)},
        {"min_accuracy": 0.91},
        UNJUDGED,
        "400 samples",
    ),
    (
        "accuracy straddles above",
        {"accuracy": (0.9, 0.92, 0.94)},
        {"min_accuracy": 0.93},
        UNJUDGED,
        "400 samples",
    ),
    (
        "accuracy at its upper end",
        {"accuracy": (0.9, 0.92, 0.94)},
        {"min_accuracy": 0.94},
        UNJUDGED,
        "samples",
    ),
    ("accuracy outside", {"accuracy": (0.9, 0.92, 0.94)}, {"min_accuracy": 0.95}, FAIL, "outside"),
    (
        "accuracy on a stand-in",
        {"accuracy": (0.9, 0.92, 0.94, STAND_IN)},
        {"min_accuracy": 0.85},
        PASS,
        "stand-in",
    ),
    (
        "accuracy emulated",
        {"accuracy": (0.9, 0.92, 0.94, EMULATED)},
        {"min_accuracy": 0.85},
        PASS,
        "emulated",
    ),
    (
        "accuracy estimated",
        {"accuracy": (0.9, 0.92, 0.94, ESTIMATED)},
        {"min_accuracy": 0.85, "evidence": "estimated"},
        UNJUDGED,
        "estimated",
    ),
    ("drop inside", {"drop": (-0.01, 0.0, 0.01)}, {"max_accuracy_drop": 0.01}, PASS, "1 %"),
    ("drop zero allowed", {"drop": (-0.02, -0.01, 0.0)}, {"max_accuracy_drop": 0.0}, PASS, "0 %"),
    (
        "drop straddles",
        {"drop": (-0.01, 0.0, 0.01)},
        {"max_accuracy_drop": 0.005},
        UNJUDGED,
        "400 samples",
    ),
    ("drop outside", {"drop": (0.02, 0.03, 0.04)}, {"max_accuracy_drop": 0.01}, FAIL, "outside"),
    ("drop missing", {}, {"max_accuracy_drop": 0.01}, UNJUDGED, "teacher"),
    (
        "worst class inside",
        {"worst_class": (0.0, 0.02, 0.05)},
        {"max_worst_class_drop": 0.05},
        PASS,
        "worst class",
    ),
    (
        "worst class outside",
        {"worst_class": (0.06, 0.1, 0.2)},
        {"max_worst_class_drop": 0.05},
        FAIL,
        "worst class",
    ),
    (
        "worst group inside",
        {"worst_group": (0.0, 0.02, 0.05)},
        {"max_worst_group_drop": 0.05},
        PASS,
        "worst group",
    ),
    ("worst group missing", {}, {"max_worst_group_drop": 0.05}, UNJUDGED, "group labels"),
    ("size inside", {"size_mb": 0.5}, {"max_size_mb": 1.0}, PASS, "exact"),
    ("size touched", {"size_mb": 0.5}, {"max_size_mb": 0.5}, PASS, "0.5 MB"),
    ("size outside", {"size_mb": 0.5000001}, {"max_size_mb": 0.5}, FAIL, "0.5000001 MB"),
]


@pytest.fixture
def report_of(
    make_report: Callable[..., Report], make_quantity: Callable[..., Quantity]
) -> Callable[[dict[str, Any]], Report]:
    def build(facts: dict[str, Any]) -> Report:
        arguments: dict[str, Any] = {}
        for name, given_value in facts.items():
            if isinstance(given_value, tuple):
                low, value, high, *changes = given_value
                arguments[name] = make_quantity(low, value, high, **(changes[0] if changes else {}))
            else:
                arguments[name] = given_value
        return make_report(**arguments)

    return build


def test_the_table_is_large_enough() -> None:
    assert len(TABLE) >= 30
    assert len({name for name, *_ in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("facts", "limits", "outcome", "words"),
    [pytest.param(*row, id=name) for name, *row in TABLE],
)
def test_outcome_of_one_limit(
    report_of: Callable[[dict[str, Any]], Report],
    facts: dict[str, Any],
    limits: dict[str, Any],
    outcome: Outcome,
    words: str,
) -> None:
    verdict = judge(report_of(facts), Budget(**limits))
    assert [check.outcome for check in verdict.checks] == [outcome]
    assert verdict.outcome is outcome
    assert words in verdict.checks[0].reason


def test_without_a_limit_nothing_is_judged(make_report: Callable[..., Report]) -> None:
    verdict = judge(make_report(), Budget())
    assert verdict.checks == ()
    assert verdict.outcome is UNJUDGED


def test_the_reports_own_budget_is_used(make_report: Callable[..., Report]) -> None:
    assert judge(make_report(budget=Budget(max_size_mb=1.0))).outcome is PASS
    assert judge(make_report(budget=Budget(max_size_mb=0.1))).outcome is FAIL


def test_fail_weighs_more_than_unjudged_and_unjudged_more_than_pass(
    make_report: Callable[..., Report],
) -> None:
    report = make_report()
    unjudged = Budget(max_size_mb=1.0, latency_p50_ms=1.0)
    assert judge(report, unjudged).outcome is UNJUDGED
    assert judge(report, Budget(max_size_mb=0.1, latency_p50_ms=1.0)).outcome is FAIL


def test_every_limit_of_a_budget_is_judged() -> None:
    assert [*EVERY, "evidence"] == list(Budget.model_fields)


def test_twice_the_interval_needs_four_times_the_samples(
    make_report: Callable[..., Report], make_quantity: Callable[..., Quantity]
) -> None:
    figure = make_quantity(0.8, 1.0, 1.2, samples=1000)
    (check,) = judge(make_report(p50=figure), Budget(latency_p50_ms=1.1)).checks
    assert "About 4000 samples instead of 1000" in check.reason


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(min_value=1e-6, max_value=1e6)


def unchecked(low: float, value: float, high: float) -> Quantity:
    """A figure that no reader would let in."""
    return Quantity.model_construct(
        value=value,
        low=low,
        high=high,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=10,
        method="test",
    )


@settings(deadline=None)
@given(ends=st.tuples(NUMBERS, NUMBERS, NUMBERS), bound=NUMBERS, at_least=st.booleans())
def test_what_is_no_finite_interval_is_never_passed_or_failed(
    ends: tuple[float, float, float], bound: float, at_least: bool
) -> None:
    outcome = compare(unchecked(*ends), bound, at_least=at_least)
    low, value, high = ends
    sound = all(math.isfinite(x) for x in (*ends, bound)) and low <= value <= high
    assert sound or outcome is UNJUDGED
    if outcome is PASS:
        assert (low >= bound) if at_least else (high <= bound)
    if outcome is FAIL:
        assert (high < bound) if at_least else (low > bound)


@settings(deadline=None)
@given(
    broken=st.sampled_from([math.nan, math.inf, -math.inf]),
    place=st.integers(0, 2),
    bound=st.floats(0.001, 1.0),
)
def test_a_broken_figure_passes_no_limit(
    make_report: Callable[..., Report], broken: float, place: int, bound: float
) -> None:
    ends = [0.0, 0.5, 1.0]
    ends[place] = broken
    figure = unchecked(*ends)
    whole = make_report(p50=unchecked(0.0, 0.0, 0.0), drop=unchecked(0.0, 0.0, 0.0))
    row = whole.rows[0]
    latency = row.latency.model_copy(update={"p50_ms": figure, "p90_ms": figure, "p95_ms": figure})
    update = {
        "latency": latency,
        "accuracy": figure,
        "accuracy_drop": figure,
        "size_mb": figure,
    }
    report = whole.model_copy(update={"rows": (row.model_copy(update=update),)})
    budget = Budget.model_construct(
        **dict.fromkeys(Budget.model_fields, bound) | {"evidence": "measured"}
    )
    verdict = judge(report, budget)
    assert len(verdict.checks) == len(EVERY)
    assert {check.outcome for check in verdict.checks} == {UNJUDGED}


@settings(deadline=None)
@given(bound=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_broken_limit_passes_nothing(make_report: Callable[..., Report], bound: float) -> None:
    budget = Budget.model_construct(
        **dict.fromkeys(Budget.model_fields, bound) | {"evidence": "measured"}
    )
    assert {check.outcome for check in judge(make_report(), budget).checks} == {UNJUDGED}


@settings(deadline=None)
@given(value=FINITE, below=FINITE, above=FINITE, bound=FINITE, slack=FINITE, at_least=st.booleans())
def test_slack_never_turns_a_pass_into_less_nor_makes_a_fail(
    value: float, below: float, above: float, bound: float, slack: float, at_least: bool
) -> None:
    figure = unchecked(value - below, value, value + above)
    looser = bound - slack if at_least else bound + slack
    assume(looser != bound)
    before = compare(figure, bound, at_least=at_least)
    after = compare(figure, looser, at_least=at_least)
    ranks = {FAIL: 0, UNJUDGED: 1, PASS: 2}
    assert ranks[after] >= ranks[before]


@settings(deadline=None)
@given(stable=st.booleans(), bound=st.floats(0.1, 10.0), slack=st.floats(0.0, 10.0))
def test_slack_in_a_budget_never_worsens_a_verdict(
    make_report: Callable[..., Report],
    make_quantity: Callable[..., Quantity],
    stable: bool,
    bound: float,
    slack: float,
) -> None:
    report = make_report(p50=make_quantity(1.0, 2.0, 3.0), stable=stable)
    ranks = {FAIL: 0, UNJUDGED: 1, PASS: 2}
    tight = judge(report, Budget(latency_p50_ms=bound)).outcome
    loose = judge(report, Budget(latency_p50_ms=bound + slack)).outcome
    assert ranks[loose] >= ranks[tight]


def test_the_gate_and_its_views_start_without_heavy_imports() -> None:
    code = (
        "import sys, edgedistill.gate.judge, edgedistill.render.document, "
        "edgedistill.render.markdown, edgedistill.render.table, edgedistill.render.progress\n"
        "print([name for name in ('torch', 'onnx', 'onnxruntime', 'numpy', 'rich', 'yaml') "
        "if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
