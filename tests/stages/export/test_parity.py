from __future__ import annotations

import numpy as np
import pytest

from edgedistill.errors import PromiseError
from edgedistill.stages.export.parity import compare

RANDOM = np.random.default_rng(0)


def test_figures_are_those_of_numpy() -> None:
    expected = RANDOM.normal(size=(50, 4)).astype(np.float32) * 3
    found = expected.copy()
    found[7, 2] += 1e-3
    found[9] = found[9][::-1]
    found[9, expected[9].argmax()] = expected[9].max() + 0.5

    parity = compare(expected, found, max_difference=10.0)

    assert parity.samples == 50
    assert parity.max_difference == pytest.approx(np.abs(expected - found).max(), rel=1e-6)
    assert parity.spread == pytest.approx(expected.std(), rel=1e-5)
    assert parity.agreement == 1.0


def test_the_allowed_difference_follows_the_spread() -> None:
    expected = RANDOM.normal(size=(100, 5))
    for scale in (0.01, 1.0, 100.0):
        logits = (expected * scale).astype(np.float32)
        step = np.zeros_like(logits)
        step[3, 1] = logits.std()

        assert compare(logits, logits + 0.5e-3 * step, 1e-3).agreement == 1.0
        with pytest.raises(PromiseError, match="a difference of"):
            compare(logits, logits + 2e-3 * step, 1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_never_pass(value: float) -> None:
    sound = np.ones((3, 2), dtype=np.float32)
    broken = sound.copy()
    broken[1, 1] = value

    for expected, found in ((sound, broken), (broken, sound), (broken, broken)):
        with pytest.raises(PromiseError, match="NaN or infinity"):
            compare(expected, found, max_difference=1e30)


def test_another_shape_is_refused() -> None:
    with pytest.raises(PromiseError, match=r"shape \(3, 4\)"):
        compare(np.ones((3, 5), np.float32), np.ones((3, 4), np.float32), 1.0)


def test_another_answer_lowers_the_agreement() -> None:
    expected = np.array([[0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    found = np.array([[0.0, 1.0], [0.4, 0.6]], dtype=np.float32)

    assert compare(expected, found, max_difference=10.0).agreement == 0.5
