from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.core.learning import Answers
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.data import Dataset, Split
from edgedistill.errors import InputError, PromiseError
from edgedistill.stages.distill import Keep, open_answers

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES, CLASSES = 5000, 3
ALL = np.ones(SAMPLES, bool)


@pytest.fixture
def dataset() -> Dataset:
    labels = np.arange(SAMPLES) % CLASSES
    labels[:10] = -1
    split = Split(
        {"values": np.zeros((SAMPLES, 2), np.float32)},
        labels,
        None,
        Preprocessing(),
        Augmentation(),
    )
    return Dataset(
        name="given",
        source="given",
        sha256="0" * 64,
        class_names=("a", "b", "c"),
        preprocessing=Preprocessing(),
        train=split,
        validation=split,
        test=None,
        calibration=split,
    )


def logits() -> np.ndarray:
    """Right on every sample, more or less surely."""
    chosen = np.eye(CLASSES)[np.arange(SAMPLES) % CLASSES]
    return np.asarray(chosen * np.linspace(1, 5, SAMPLES)[:, None], np.float32)


def test_given_answers_are_read_as_those_that_were_asked_for(
    dataset: Dataset, tmp_path: Path
) -> None:
    config = Answers(precision="float32")
    facts = Keep(logits(), ALL, dataset, config).run(StageContext(tmp_path)).facts
    kept = open_answers(tmp_path)
    indices = np.array([0, 4095, 4096, 4999])
    found = kept.logits(np.zeros(4, np.int64), indices)
    assert np.array_equal(found, logits()[indices])
    assert (facts["views"], facts["samples"], facts["labelled"]) == (1, SAMPLES, SAMPLES - 10)
    assert facts["agreement_with_labels"] == [1.0]


def test_a_sample_that_was_not_answered_is_not_right(dataset: Dataset, tmp_path: Path) -> None:
    answered = ALL.copy()
    answered[: 10 + 499] = False
    facts = Keep(logits(), answered, dataset).run(StageContext(tmp_path)).facts
    assert facts["agreement_with_labels"] == [pytest.approx(1 - 499 / 4990)]


@pytest.mark.parametrize("given", [logits()[:-1], logits() * np.float32(np.nan)])
def test_answers_that_do_not_fit_the_samples_are_refused(
    dataset: Dataset, tmp_path: Path, given: np.ndarray
) -> None:
    with pytest.raises(PromiseError, match="finite answers"):
        Keep(given, ALL, dataset).run(StageContext(tmp_path))


def test_the_recipes_room_on_disk_holds_for_given_answers_too(
    dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"stages\.answers\.max_size_mb"):
        Keep(logits(), ALL, dataset, Answers(max_size_mb=0.01)).run(StageContext(tmp_path))
