"""Intervals against published examples and against their exact coverage."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.tasks import (
    agresti_min_interval,
    bonferroni,
    paired_wald_interval,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17: 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert wilson_interval(successes, trials, 0.95) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_bounds_solve_the_score_equation(
    trials: int, share: float, confidence: float
) -> None:
    from statistics import NormalDist

    successes = round(share * trials)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    for bound in wilson_interval(successes, trials, confidence):
        distance = (successes / trials - bound) ** 2
        assert distance == pytest.approx(z * z * bound * (1 - bound) / trials, abs=1e-12)


def test_wilson_covers_as_often_as_it_says() -> None:
    trials = 60
    intervals = [wilson_interval(k, trials, 0.95) for k in range(trials + 1)]
    coverages = []
    for step in range(5, 96):
        share = step / 100
        coverages.append(
            sum(
                comb(trials, k) * share**k * (1 - share) ** (trials - k)
                for k, (low, high) in enumerate(intervals)
                if low <= share <= high
            )
        )
    assert sum(coverages) / len(coverages) == pytest.approx(0.95, abs=0.01)
    assert min(coverages) > 0.91


def test_agresti_min_gives_the_published_interval() -> None:
    # PropCIs (R), documentation of diffpropci.mp, which counts the difference the other way round
    interval = agresti_min_interval(40, 20, 160, 0.95)
    assert interval == pytest.approx((0.03089632, 0.21601726), abs=1e-8)


def test_paired_wald_gives_the_published_interval() -> None:
    # PropCIs (R), documentation of diffpropci.Wald.mp
    interval = paired_wald_interval(9, 3, 32, 0.95)
    assert interval == pytest.approx((-0.01448204, 0.38948204), abs=1e-8)


@pytest.mark.parametrize(
    ("lost_share", "gained_share"), [(0.05, 0.05), (0.1, 0.02), (0.3, 0.1), (0.02, 0.01)]
)
def test_agresti_min_covers_as_often_as_it_says(lost_share: float, gained_share: float) -> None:
    trials = 50
    difference = lost_share - gained_share
    coverage = 0.0
    for lost in range(trials + 1):
        for gained in range(trials + 1 - lost):
            low, high = agresti_min_interval(lost, gained, trials, 0.95)
            if low <= difference <= high:
                ways = comb(trials, lost) * comb(trials - lost, gained)
                rest = trials - lost - gained
                unchanged = 1 - lost_share - gained_share
                coverage += ways * lost_share**lost * gained_share**gained * unchanged**rest
    assert 0.93 <= coverage <= 1.0


@given(st.integers(1, 60), st.data(), st.floats(0.01, 0.999))
def test_agresti_min_holds_the_difference_seen(
    trials: int, data: st.DataObject, confidence: float
) -> None:
    lost = data.draw(st.integers(0, trials))
    gained = data.draw(st.integers(0, trials - lost))
    low, high = agresti_min_interval(lost, gained, trials, confidence)
    assert -1 <= low <= (lost - gained) / trials <= high <= 1


def test_bonferroni_splits_the_error() -> None:
    assert 1 - bonferroni(0.9, 4) == pytest.approx(0.1 / 4)
    assert bonferroni(0.95, 1) == pytest.approx(0.95)


def test_counts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="no share: 3 of 2"):
        wilson_interval(3, 2, 0.95)
    with pytest.raises(ValueError, match="no difference: 2 lost and 2 gained of 3"):
        agresti_min_interval(2, 2, 3, 0.95)
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        wilson_interval(1, 2, 95.0)
    with pytest.raises(ValueError, match="no intervals"):
        bonferroni(0.95, 0)
