from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.core.evidence import Evidence
from edgedistill.tasks import estimate_calibration_error, expected_calibration_error

EVIDENCE = Evidence.MEASURED_ON_DEVICE


def bin_by_bin(confidences: np.ndarray, correct: np.ndarray) -> float:
    """Guo et al. 2017, equations 3 to 5, as they stand."""
    total = 0.0
    for place in range(1, 16):
        inside = (confidences > (place - 1) / 15) & (confidences <= place / 15)
        if inside.any():
            gap = abs(correct[inside].mean() - confidences[inside].mean())
            total += inside.sum() / len(correct) * gap
    return total


def test_two_bins_by_hand() -> None:
    confidences = np.array([0.9, 0.91, 0.92, 0.93, 0.55, 0.56])
    correct = np.array([True, True, True, False, True, True])
    upper = abs(3 / 4 - 0.915)
    lower = abs(1 - 0.555)
    expected = 4 / 6 * upper + 2 / 6 * lower
    assert expected_calibration_error(confidences, correct) == pytest.approx(expected, rel=1e-12)


def test_one_who_is_sure_and_right_has_no_error_and_one_who_is_wrong_the_whole() -> None:
    sure = np.ones(10)
    assert expected_calibration_error(sure, np.ones(10, bool)) == 0
    assert expected_calibration_error(sure, np.zeros(10, bool)) == 1
    figure = estimate_calibration_error(sure, np.zeros(10, bool), evidence=EVIDENCE)
    assert (figure.low, figure.value, figure.high) == (1, 1, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_it_is_that_of_a_loop_over_the_bins(samples: list[tuple[float, bool]]) -> None:
    # Both sides round at the edges of bins alike only away from them.
    confidences = np.array([max(1e-9, round(one, 4) + 1e-6) for one, _ in samples]).clip(max=1)
    correct = np.array([right for _, right in samples])
    found = expected_calibration_error(confidences, correct)
    assert found == pytest.approx(bin_by_bin(confidences, correct), abs=1e-9)


@pytest.mark.parametrize(("true_error", "samples"), [(0.0, 300), (0.05, 300), (0.2, 100)])
def test_the_interval_covers_the_true_error(true_error: float, samples: int) -> None:
    generator = np.random.default_rng(3)
    trials, inside = 60, 0
    for _ in range(trials):
        confidences = 0.3 + 0.7 * generator.random(samples)
        correct = generator.random(samples) < confidences - true_error
        figure = estimate_calibration_error(confidences, correct, evidence=EVIDENCE)
        inside += figure.low <= true_error <= figure.high
    assert inside / trials >= 0.88


def test_it_is_the_same_at_each_run_whatever_was_drawn_before() -> None:
    confidences = np.linspace(0.2, 0.99, 200)
    correct = np.arange(200) % 3 > 0
    first = estimate_calibration_error(confidences, correct, evidence=EVIDENCE)
    np.random.default_rng(20170806).random(1000)
    assert estimate_calibration_error(confidences, correct, evidence=EVIDENCE) == first
    assert (first.samples, first.confidence) == (200, 0.95)


@pytest.mark.parametrize("confidences", [[], [0.5, float("nan")], [1.1, 0.2], [-0.1, 0.2]])
def test_what_is_no_probability_is_refused(confidences: list[float]) -> None:
    correct = np.ones(len(confidences), bool)
    with pytest.raises(ValueError, match="a probability between 0 and 1 for each sample"):
        expected_calibration_error(np.array(confidences), correct)
