from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgedistill.core.learning import Answers
from edgedistill.errors import PromiseError
from edgedistill.stages.distill.answer_rows import RowForm
from edgedistill.stages.distill.losses import soft_target_loss

LOGITS = st.tuples(st.integers(1, 4), st.integers(2, 60)).flatmap(
    lambda shape: arrays(
        np.float32, shape, elements=st.floats(-3e4, 3e4, width=32, allow_subnormal=False)
    )
)


def softmax(logits: np.ndarray, *, temperature: float = 1.0) -> np.ndarray:
    found: np.ndarray = torch.from_numpy(logits).double().div(temperature).softmax(1).numpy()
    return found


def there_and_back(form: RowForm, logits: np.ndarray) -> np.ndarray:
    return form.unpack(form.pack(logits))


def random(*, samples: int, classes: int, spread: float = 4.0, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((samples, classes))
    return (drawn * spread).astype(np.float32)


def peaked(*, samples: int, classes: int) -> np.ndarray:
    """A teacher that is sure: one class stands 25 above the others, and all stand high."""
    logits = random(samples=samples, classes=classes, spread=2.0) + 40
    logits[np.arange(samples), np.arange(samples) % classes] += 25
    return logits


def test_float32_keeps_every_bit() -> None:
    logits = random(samples=50, classes=7) * np.float32(1e30)
    np.testing.assert_array_equal(there_and_back(RowForm(7, "float32", None), logits), logits)


@settings(deadline=None, max_examples=150)
@given(LOGITS, st.floats(0.25, 20.0))
def test_float16_moves_no_more_probability_than_the_bound_says(
    logits: np.ndarray, temperature: float
) -> None:
    classes = logits.shape[1]
    found = there_and_back(RowForm(classes, "float16", None), logits)
    assert (found.max(axis=1) == 0).all()
    exact, kept = (softmax(each, temperature=temperature) for each in (logits, found))
    moved = np.abs(exact - kept).sum(axis=1) / 2
    # The second term stands for what lies below the smallest step of float16.
    assert moved.max() <= 1.01 * 2**-11 * np.log(classes) + classes * 2**-25 / temperature


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("teacher", [random, peaked])
def test_the_loss_on_float16_answers_is_the_loss_on_float32_ones(
    teacher: object, temperature: float
) -> None:
    assert callable(teacher)
    logits = teacher(samples=256, classes=10)
    student = torch.from_numpy(random(samples=256, classes=10, spread=3.0, seed=1)).double()

    def loss(answers: np.ndarray) -> float:
        given_answers = torch.from_numpy(answers).double()
        return float(soft_target_loss(student, given_answers, temperature))

    exact = loss(logits)
    off = abs(loss(there_and_back(RowForm(10, "float16", None), logits)) - exact)
    as_given = abs(loss(logits.astype(np.float16).astype(np.float32)) - exact)
    assert off <= 2e-5 * exact
    if teacher is peaked:
        assert off < as_given, "rounding the logits as they are would have been nearer"


def test_answers_that_float16_cannot_hold_are_refused_with_a_remedy() -> None:
    far, high = np.array([[0.0, -70000.0]], np.float32), np.array([[3e6, 3e6 - 9]], np.float32)
    with pytest.raises(PromiseError, match=r"70000 below.*65504\. Set.*precision: float32"):
        RowForm(2, "float16", None).pack(far)
    np.testing.assert_array_equal(there_and_back(RowForm(2, "float32", None), far), far)
    np.testing.assert_array_equal(there_and_back(RowForm(2, "float16", None), high), [[0, -9]])
    huge = np.array([[3e38, -3e38]], np.float32)
    with pytest.raises(PromiseError, match="below the highest"):
        RowForm(2, "float16", None).pack(huge)


@pytest.mark.parametrize("precision", ["float16", "float32"])
@settings(deadline=None, max_examples=150)
@given(logits=LOGITS, data=st.data())
def test_the_highest_and_what_remains_are_exact(
    precision: Literal["float16", "float32"], logits: np.ndarray, data: st.DataObject
) -> None:
    classes = logits.shape[1]
    count = data.draw(st.integers(1, classes - 1))
    form = RowForm.of(Answers(precision=precision, top_k=count), classes=classes)
    rows = form.pack(logits)
    found = form.unpack(rows)
    best = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(rows["classes"], best)
    np.testing.assert_array_equal(form.best(rows), best[:, 0])
    assert (np.diff(rows["logits"].astype(np.float32), axis=1) <= 0).all()
    exact, kept = (softmax(each) for each in (logits, found))
    tolerance = 4e-3 if precision == "float16" else 1e-5
    # float32 rounds what is rebuilt at the size of the logits themselves.
    tolerance += 2**-22 * float(np.abs(logits).max()) if precision == "float32" else 0.0
    np.testing.assert_allclose(
        np.take_along_axis(kept, best, axis=1),
        np.take_along_axis(exact, best, axis=1),
        atol=tolerance,
    )
    np.put_along_axis(exact, best, 0, axis=1)
    np.put_along_axis(kept, best, 0, axis=1)
    np.testing.assert_allclose(kept.sum(axis=1), exact.sum(axis=1), atol=tolerance)
    others = np.delete(found[0], best[0])
    assert np.unique(others).size == 1, "the rest is not spread evenly"


def test_of_equals_the_first_classes_are_kept() -> None:
    logits = np.array([[1, 3, 1, 3, 1, 1], [0, 0, 0, 0, 0, 0]], np.float32)
    rows = RowForm(6, "float16", 3).pack(logits)
    np.testing.assert_array_equal(rows["classes"], [[1, 3, 0], [0, 1, 2]])
    np.testing.assert_allclose(
        there_and_back(RowForm(6, "float16", 3), logits)[1], np.zeros(6), atol=1e-6
    )


def test_a_rest_of_nearly_nothing_is_kept_as_exactly_as_one_of_nearly_all() -> None:
    sure = np.zeros((1, 1001), np.float32)
    sure[0, 7] = 200.0
    found = there_and_back(RowForm(1001, "float16", 1), sure)
    np.testing.assert_allclose(np.log(softmax(found))[0, 0], -200, rtol=1e-6)
    flat = np.zeros((1, 50_000), np.float32)
    found = there_and_back(RowForm(50_000, "float32", 1), flat)
    np.testing.assert_allclose(softmax(found), 1 / 50_000, rtol=1e-5)


def test_an_answer_takes_the_bytes_that_it_must() -> None:
    every = Answers(top_k=10)
    assert RowForm.of(every, classes=10) == RowForm(10, "float16", None)
    assert RowForm.of(every, classes=9) == RowForm(9, "float16", None)
    assert RowForm.of(Answers(precision="float32"), classes=10).size_bytes == 40
    sizes = {256: 1, 257: 2, 65_536: 2, 65_537: 4}
    for classes, index_bytes in sizes.items():
        assert RowForm.of(every, classes=classes).size_bytes == 4 + 10 * (2 + index_bytes)
