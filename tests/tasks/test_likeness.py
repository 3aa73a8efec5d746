from __future__ import annotations

import math

import numpy as np
import pytest

from edgedistill.core.evidence import Evidence
from edgedistill.tasks.intervals import wilson_interval
from edgedistill.tasks.likeness import Likeness

SEEN = Evidence.MEASURED_ON_STAND_IN


def outputs(seed: int, *shape: int) -> list[np.ndarray]:
    return [np.random.default_rng(seed).standard_normal(shape).astype(np.float32)]


def test_top_1_is_the_share_of_equal_classes_with_wilsons_interval() -> None:
    likeness = Likeness("top-1")
    for index in range(40):
        scores = np.zeros((1, 5), np.float32)
        scores[0, index % 5] = 1
        other = scores if index % 4 else np.roll(scores, 1)
        likeness.add([scores], [other])
    found = likeness.agreement(SEEN)
    assert found is not None
    assert found.value == 0.75
    assert (found.low, found.high) == wilson_interval(30, 40, 0.95)


def test_signal_is_one_less_the_squared_error_over_the_variance() -> None:
    generator = np.random.default_rng(3)
    first = generator.standard_normal((30, 1, 6)) * 2 + 7
    noise = generator.standard_normal(first.shape) * 0.3
    likeness = Likeness("signal")
    for one, error in zip(first, noise, strict=True):
        likeness.add([one], [one + error])
    found = likeness.agreement(SEEN)
    lost = (noise**2).sum() / ((first - first.mean()) ** 2).sum()
    assert found is not None
    assert found.value == pytest.approx(1 - lost, rel=1e-9)
    assert likeness.relative_error == pytest.approx(math.sqrt(lost), rel=1e-9)
    assert found.low < found.value < found.high < 1


def test_the_interval_of_a_signal_holds_the_true_figure_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        likeness = Likeness("signal")
        for _ in range(40):
            one = generator.standard_normal((1, 8))
            likeness.add([one], [one + 0.3 * generator.standard_normal(one.shape)])
        found = likeness.agreement(SEEN)
        assert found is not None
        held += found.low <= 1 - 0.09 <= found.high
    assert 0.91 <= held / 400 <= 0.98


def test_the_worst_of_several_outputs_counts() -> None:
    likeness = Likeness("signal")
    for seed in range(10):
        one, two = outputs(seed, 1, 4), outputs(seed + 50, 1, 3)
        likeness.add([*one, *two], [one[0], two[0] * 0.5])
    found = likeness.agreement(SEEN)
    assert found is not None
    alone = Likeness("signal")
    for seed in range(10):
        two = outputs(seed + 50, 1, 3)
        alone.add(two, [two[0] * 0.5])
    expected = alone.agreement(SEEN)
    assert expected is not None
    assert found.value == expected.value


def test_equal_whole_numbers_one_a_sample_have_wilsons_interval() -> None:
    likeness = Likeness("values")
    for index in range(20):
        likeness.add([np.array([index])], [np.array([index if index else -1])])
    found = likeness.agreement(SEEN)
    assert found is not None
    assert (found.value, found.low, found.high) == (0.95, *wilson_interval(19, 20, 0.95))


def test_an_output_of_another_shape_has_nothing_in_common() -> None:
    likeness = Likeness("values")
    for _ in range(3):
        likeness.add([np.arange(4)], [np.arange(3)])
    found = likeness.agreement(SEEN)
    assert found is not None
    assert found.value == 0


def test_nan_is_never_near() -> None:
    likeness = Likeness("signal")
    for seed in range(4):
        one = outputs(seed, 1, 4)
        likeness.add(one, [np.full((1, 4), np.nan, np.float32)])
    found = likeness.agreement(SEEN)
    assert not likeness.finite
    assert likeness.relative_error is None
    assert found is not None
    assert found.value <= 0.5
    scores = Likeness("top-1")
    scores.add([np.zeros((1, 3), np.float32)], [np.full((1, 3), np.nan, np.float32)])
    told = scores.agreement(SEEN)
    assert told is not None
    assert told.value == 0


@pytest.mark.parametrize("samples", [0, 1])
def test_no_figure_without_samples_or_spread(samples: int) -> None:
    likeness = Likeness("signal")
    for _ in range(samples):
        likeness.add(outputs(0, 1, 4), outputs(0, 1, 4))
    assert likeness.agreement(SEEN) is None


def test_an_output_that_never_changes_tells_nothing_and_keeps_a_distance() -> None:
    likeness = Likeness("signal")
    for _ in range(5):
        likeness.add([np.full((1, 2), 3.0)], [np.full((1, 2), 3.3)])
    assert likeness.agreement(SEEN) is None
    assert likeness.relative_error == pytest.approx(0.1)
