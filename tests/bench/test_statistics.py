from __future__ import annotations

import doctest
import math
import random
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.bench import stability, statistics
from edgedistill.bench.statistics import (
    effective_samples,
    order_bounds,
    percentile,
    percentile_interval,
    ratio_interval,
    student_t,
)

NOISE = 0.2
"""Spread of single runs in the simulations, in the logarithm of latency."""


def exact_bounds(samples: int, share: Fraction, confidence: Fraction) -> tuple[int, int] | None:
    """The definition, in whole numbers: P(B <= low - 1) and P(B >= high) within half a tail."""
    tail = (1 - confidence) / 2
    masses = [
        math.comb(samples, k) * share**k * (1 - share) ** (samples - k) for k in range(samples + 1)
    ]
    lows = [rank for rank in range(1, samples + 1) if sum(masses[:rank]) <= tail]
    highs = [rank for rank in range(1, samples + 1) if sum(masses[rank:]) <= tail]
    return (lows[-1], highs[0]) if lows and highs else None


def simulate(
    generator: random.Random, *, rounds: int = 30, runs: int = 10, between: float = 0.0
) -> list[list[float]]:
    """Lognormal latencies whose rounds differ by `between`, in the logarithm."""
    levels = [generator.gauss(0.0, between) for _ in range(rounds)]
    return [
        [math.exp(level + generator.gauss(0.0, NOISE)) for _ in range(runs)] for level in levels
    ]


@pytest.mark.parametrize("module", [statistics, stability])
def test_the_examples_in_the_source_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fraction", "runs"), [(0.90, 44), (0.95, 90), (0.99, 459)], ids=["p90", "p95", "p99"]
)
def test_a_limit_is_claimed_from_as_many_runs_as_mlperf_demands(fraction: float, runs: int) -> None:
    two_sided = 0.98  # MLPerf Inference's early stopping claims one side, with 0.99
    low, high = order_bounds(runs, fraction, two_sided) or (0, 0)
    assert 1 <= low < high == runs
    assert order_bounds(runs - 1, fraction, two_sided) is None


@pytest.mark.parametrize("share", [Fraction(1, 2), Fraction(9, 10), Fraction(19, 20)])
@pytest.mark.parametrize("confidence", [Fraction(9, 10), Fraction(19, 20), Fraction(99, 100)])
def test_bounds_agree_with_the_exact_binomial(share: Fraction, confidence: Fraction) -> None:
    for samples in (*range(1, 60), 72, 73, 130):
        found = order_bounds(samples, float(share), float(confidence))
        assert found == exact_bounds(samples, share, confidence), samples


def test_bounds_of_very_many_samples_are_the_normal_ones() -> None:
    low, high = order_bounds(100_000, 0.95, 0.95) or (0, 0)
    reach = NormalDist().inv_cdf(0.975) * math.sqrt(100_000 * 0.95 * 0.05)
    assert low == pytest.approx(95_000 - reach, abs=2)
    assert high == pytest.approx(95_000 + reach, abs=2)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(4, 2.7764), (9, 2.2622), (14, 2.1448), (29, 2.0452), (299, 1.9679)]
)
def test_students_t_is_the_tables(degrees: int, quantile: float) -> None:
    assert student_t(0.95, degrees) == pytest.approx(quantile, abs=5e-3)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.1, 1e9), min_size=1, max_size=50),
    st.sampled_from([0.0, 0.5, 0.9, 0.95, 1.0]),
)
def test_the_percentile_is_numpys(values: list[float], fraction: float) -> None:
    assert percentile(values, fraction) == pytest.approx(np.quantile(values, fraction))


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 10**9), min_size=4, max_size=4), min_size=10, max_size=40),
    st.sampled_from([0.5, 0.9, 0.95]),
)
def test_an_interval_holds_its_value_and_scales_with_the_clock(
    rounds: list[list[int]], fraction: float
) -> None:
    found = percentile_interval(rounds, fraction, 0.95)
    doubled = percentile_interval([[2 * run for run in runs] for runs in rounds], fraction, 0.95)
    if found is None:
        assert doubled is None
        assert fraction > 0.5
        return
    assert doubled is not None
    assert found.low <= found.value <= found.high
    assert (doubled.low, doubled.value, doubled.high) == (
        2 * found.low,
        2 * found.value,
        2 * found.high,
    )
    assert found.effective <= found.samples == 4 * len(rounds)


@pytest.mark.parametrize("between", [0.0, 0.1, 0.3], ids=["alike", "differing", "very-different"])
@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.95])
def test_claims_are_wrong_no_more_often_than_they_say(between: float, fraction: float) -> None:
    trials = 250
    generator = random.Random(f"{between} {fraction}")
    spread = math.hypot(NOISE, between)
    true = math.exp(spread * NormalDist().inv_cdf(fraction))
    wrong = 0
    for _ in range(trials):
        found = percentile_interval(simulate(generator, between=between), fraction, 0.95)
        wrong += found is not None and not found.low <= true <= found.high
    allowed = 0.05 * trials + 2.33 * math.sqrt(0.05 * 0.95 * trials)  # 99 % of the noise
    assert wrong <= allowed


def test_taking_correlated_samples_for_independent_would_claim_too_much() -> None:
    generator = random.Random(1)
    naive = honest = 0
    for _ in range(100):
        rounds = simulate(generator, between=0.3)
        ordered = sorted(run for runs in rounds for run in runs)
        low, high = order_bounds(len(ordered), 0.5, 0.95) or (1, len(ordered))
        naive += ordered[low - 1] <= 1.0 <= ordered[high - 1]
        found = percentile_interval(rounds, 0.5, 0.95)
        honest += found is not None and found.low <= 1.0 <= found.high
    assert naive < 75
    assert honest > 88


def test_rounds_of_equal_samples_are_worth_one_sample_each() -> None:
    generator = random.Random(2)
    rounds = [[generator.random()] * 50 for _ in range(29)]
    assert effective_samples(rounds, 0.5, 0.95) <= 29
    assert percentile_interval(rounds, 0.9, 0.95) is None


def test_the_median_can_be_claimed_even_after_the_worst_jump() -> None:
    jump = [[1.0] * 10] * 15 + [[2.0] * 10] * 15
    found = percentile_interval(jump, 0.5, 0.95)
    assert found is not None
    assert (found.low, found.high) == (1.0, 2.0)


def test_too_few_samples_claim_nothing() -> None:
    generator = random.Random(3)
    assert percentile_interval(simulate(generator, rounds=9), 0.5, 0.95) is None
    assert percentile_interval(simulate(generator, rounds=10, runs=3), 0.9, 0.95) is None
    assert percentile_interval(simulate(generator, runs=2), 0.95, 0.95) is None


def test_a_model_against_itself_is_as_fast_as_itself() -> None:
    trials, held = 250, 0
    generator = random.Random(4)
    for _ in range(trials):
        levels = [generator.gauss(0.0, 0.3) for _ in range(30)]
        first, second = (
            [[math.exp(level + generator.gauss(0.0, NOISE)) for _ in range(5)] for level in levels]
            for _ in range(2)
        )
        found = ratio_interval(first, second, 0.95)
        held += found is not None and found.low <= 1.0 <= found.high
    assert held >= 0.95 * trials - 2.33 * math.sqrt(0.05 * 0.95 * trials)


def test_what_disturbs_both_models_of_a_round_cancels() -> None:
    generator = random.Random(5)
    levels = [math.exp(generator.gauss(0.0, 1.0)) for _ in range(12)]
    slow = [[4.0 * level] * 3 for level in levels]
    fast = [[level] * 3 for level in levels]
    found = ratio_interval(slow, fast, 0.95)
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((4.0, 4.0, 4.0))
    assert found.samples == 12


def test_an_interval_of_mirrored_samples_is_the_mirrored_interval() -> None:
    """Also where neighbouring rounds are alike and ranks fall between samples."""
    random = np.random.default_rng(3)
    for _ in range(50):
        steps = np.repeat(random.normal(size=7), 3) + 0.05 * random.normal(size=21)
        there = percentile_interval([[value] for value in steps], 0.5, 0.9)
        back = percentile_interval([[-value] for value in steps], 0.5, 0.9)
        assert (there is None) == (back is None)
        if there is not None and back is not None and there.effective == back.effective:
            assert (there.low, there.high) == (-back.high, -back.low)
