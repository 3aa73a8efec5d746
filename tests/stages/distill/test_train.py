from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill import models, tasks
from edgedistill.core.learning import Training
from edgedistill.errors import InputError
from edgedistill.stages.distill.feed import feed_of
from edgedistill.stages.distill.train import Train

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset
    from edgedistill.models import Network

TRAINING = Training(epochs=5, batch_size=32, learning_rate=5e-3)


def test_a_trained_network_comes_back_from_disk_as_good_as_it_was(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    start, dataset, context = network(), digits(), folder()
    facts = Train(start, dataset, TRAINING).run(context).facts
    loaded = models.load(context.folder, model=start.model, base=Path())
    split = dataset.validation
    answers = np.concatenate([a for _, a in feed_of(loaded).answers(split, batch_size=256)])
    found = tasks.evaluate(answers, split.labels, None, dataset.class_names)
    assert facts["validation_accuracy_after"] == found.accuracy > 0.85


def test_only_labelled_samples_take_part(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    facts = Train(network(), digits(labelled=0.1), TRAINING).run(folder()).facts
    assert facts["samples"] == facts["labelled"] == 100
    assert facts["steps"] == 5 * 3


def test_no_label_at_all_is_refused(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    with pytest.raises(InputError, match=r"data\.splits\.labelled.*no sample to learn from"):
        Train(network(), digits(labelled=0.0), TRAINING).run(folder())


def test_nothing_is_written_when_training_falls_apart(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    wild = Training(epochs=1, batch_size=64, optimizer="sgd", learning_rate=1e30)
    context = folder()
    with pytest.raises(InputError, match=r"teacher\.train\.learning_rate"):
        Train(network(), digits(), wild).run(context)
    assert list(context.folder.iterdir()) == []


def test_the_same_training_writes_the_same_bytes(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    files = []
    for name in ("once", "again"):
        context = folder(name, seed=3)
        Train(network(), digits(samples=300), TRAINING).run(context)
        files.append({path.name: path.read_bytes() for path in context.folder.iterdir()})
    assert files[0] == files[1]
