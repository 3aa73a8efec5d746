from __future__ import annotations

import numpy as np
import pytest

from edgedistill.tasks import Evaluation, Flips, evaluate, flips

LABELS = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def answers(predictions: list[int], labels: list[int] = LABELS) -> Evaluation:
    logits = np.eye(3, dtype=np.float32)[predictions]
    return evaluate(logits, np.array(labels), None, ("cat", "dog", "owl"))


BEFORE = answers([0, 0, 0, 0, 1, 1, 1, 0, 2, 1])


def test_flips_count_every_sample_once() -> None:
    counted = flips(BEFORE, answers([0, 0, 1, 1, 1, 1, 1, 1, 2, 0]))
    assert counted == Flips(lost=2, gained=1, kept_right=6, kept_wrong=1, changed=4)
    assert counted.lost + counted.gained + counted.kept_right + counted.kept_wrong == len(LABELS)


def test_other_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="not on the same samples"):
        flips(BEFORE, answers([0] * 10, labels=[1] * 10))
