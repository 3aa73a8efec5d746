from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from edgedistill.cost.accuracy import coverage, fit_error, interval_of_device, interval_of_devices


def test_errors_of_four_estimates_by_hand() -> None:
    measured = np.array([10.0, 10.0, 10.0, 10.0])
    error = fit_error(np.array([10.5, 9.0, 13.0, 10.0]), measured, np.array([20.0, 10, 10, 10]))
    assert error.mean_percent == pytest.approx((5 + 10 + 30 + 0) / 4)
    assert error.median_percent == pytest.approx((5 + 10) / 2)
    assert error.p90_percent == pytest.approx(10 + 0.7 * (30 - 10))
    assert error.within_10_percent_fraction == 0.75
    assert error.macs_constant_mean_percent == pytest.approx(25)


def test_without_a_baseline_there_is_no_baseline_error() -> None:
    assert fit_error(np.ones(2), np.ones(2)).macs_constant_mean_percent is None


def test_nine_residuals_give_their_largest_at_ninety_percent() -> None:
    ratios = np.log([1.1, 1.05, 0.9, 1.02, 1.0, 0.97, 1.04, 0.99, 1.01])
    interval = interval_of_device(ratios)
    assert (interval.low, interval.high) == pytest.approx((0.9, 1 / 0.9))


def test_too_few_residuals_widen_the_largest() -> None:
    interval = interval_of_device(np.array([0.1, -0.2, 0.05]))
    assert np.log(interval.high) == pytest.approx(0.2 * 4 / 3)


def test_intervals_are_symmetric_around_the_estimate() -> None:
    interval = interval_of_device(np.array([0.1, -0.2, 0.3]))
    assert interval.low * interval.high == pytest.approx(1)


@pytest.mark.parametrize("count", [9, 19, 154])
def test_the_next_measurement_is_held_as_often_as_promised(count: int) -> None:
    generator = np.random.default_rng(0)
    draws = generator.standard_t(df=3, size=(2000, count + 1)) * 0.1
    held = [abs(row[-1]) <= np.log(interval_of_device(row[:-1]).high) + 1e-12 for row in draws]
    # the expectation lies between 0.9 and 0.9 + 1 / (n + 1) (Lei et al. 2018, theorem 2.2)
    deviation = 3 * np.sqrt(0.09 / 2000)
    assert 0.9 - deviation <= np.mean(held) <= 0.9 + 1 / (count + 1) + deviation


def test_one_device_that_errs_more_than_all_others_is_held_too() -> None:
    generator = np.random.default_rng(1)
    ratios = {f"device {place}": generator.normal(0, 0.03, 100) for place in range(9)}
    ratios["odd"] = generator.normal(0.5, 0.03, 100)
    pooled = np.quantile(np.abs(np.concatenate(list(ratios.values()))), 0.9)
    interval = interval_of_devices(ratios)
    size = float(np.log(interval.high))
    assert coverage(ratios["odd"], float(pooled)) < 0.1
    assert np.percentile([coverage(one, size) for one in ratios.values()], 10) >= 0.85
    assert interval.coverage_fraction is not None
    assert interval.coverage_fraction >= 0.9


def test_a_device_with_many_rows_counts_no_more_than_one_with_few() -> None:
    sizes = {f"device {place}": np.full(5, 0.1) for place in range(9)}
    sizes["many"] = np.full(10000, 0.01)
    assert np.log(interval_of_devices(sizes).high) == pytest.approx(0.1)


def test_few_devices_are_widened_by_student() -> None:
    ratios = {"a": np.full(50, 0.1), "b": np.full(3, -0.1), "c": np.full(8, 0.1)}
    expected = student.ppf(0.95, df=3) * 0.1
    assert np.log(interval_of_devices(ratios).high) == pytest.approx(expected)


def test_a_new_device_is_held_as_often_as_promised_though_few_were_seen() -> None:
    generator = np.random.default_rng(2)
    held = []
    for _ in range(1500):
        offsets = generator.normal(0, 0.2, 4)
        seen = {str(place): np.full(10, offset) for place, offset in enumerate(offsets[:3])}
        held.append(abs(offsets[3]) <= np.log(interval_of_devices(seen).high))
    assert np.mean(held) == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / 1500))
