from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from edgedistill import models
from edgedistill.core.recipe import Augmentation
from edgedistill.data.dataset import Dataset, Split
from edgedistill.errors import InputError, PromiseError
from edgedistill.stages.distill.answers import Teach, open_answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.stage import StageContext
    from edgedistill.models import Network

VIEWS = Augmentation(views=3, shift_pixels=1)


def test_answers_are_the_networks_own_on_every_view(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    teacher, dataset, context = network(), digits(augmentation=VIEWS), folder()
    facts = Teach(teacher, dataset).run(context).facts
    answers = open_answers(context.folder)
    assert answers.shape == (3, 1000, 10)
    assert answers.dtype == np.float32
    assert isinstance(answers, np.memmap)
    some = np.array([999, 0, 300])
    for view in range(3):
        inputs = dataset.train.batch(some, view=view)["input"]
        with torch.no_grad():
            expected = models.logits(teacher.module, {"input": torch.from_numpy(inputs)})
        np.testing.assert_allclose(answers[view, some], expected.numpy(), rtol=1e-4, atol=1e-5)
    right = (np.asarray(answers).argmax(axis=2) == dataset.train.labels).mean(axis=1)
    assert facts["agreement_with_labels"] == pytest.approx(right.tolist())
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_equal_teachers_give_equal_files(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    files = []
    for name in ("once", "again"):
        context = folder(name)
        Teach(network(), digits()).run(context)
        files.append({path.name: path.read_bytes() for path in context.folder.iterdir()})
    assert files[0] == files[1]
    assert set(files[0]) == {"answers.npy", "answers.json"}


class CountingSplit(Split):
    """Remembers how many samples were asked for at once."""

    asked: list[int]

    def batch(self, indices: np.ndarray, *, view: int = 0) -> dict[str, np.ndarray]:
        self.asked.append(len(indices))
        return super().batch(indices, view=view)


@pytest.mark.parametrize("samples", [300, 1000])
def test_memory_is_flat_in_the_number_of_samples(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
    samples: int,
) -> None:
    dataset = digits(samples=samples, augmentation=VIEWS)
    train = dataset.train
    split = CountingSplit(
        train.inputs, train.labels, train.groups, train.preprocessing, train.augmentation
    )
    object.__setattr__(split, "asked", [])
    Teach(network(), replace(dataset, train=split)).run(folder())
    assert max(split.asked) == 256
    assert sum(split.asked) == 3 * samples


def test_a_teacher_that_answers_nan_is_refused(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    teacher = network()
    with torch.no_grad():
        next(teacher.module.parameters()).fill_(torch.nan)
    with pytest.raises(PromiseError, match=r"256 samples with NaN or infinity.*preprocessing"):
        Teach(teacher, digits()).run(folder())


def test_a_teacher_of_other_classes_is_refused(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    dataset = replace(digits(), class_names=("a", "b"))
    with pytest.raises(PromiseError, match=r"\[256, 2\], found shape \[256, 10\]"):
        Teach(network(), dataset).run(folder())


def test_no_labels_at_all_is_no_hindrance(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    facts = Teach(network(), digits(labelled=0.0)).run(folder()).facts
    assert facts["labelled"] == 0
    assert facts["agreement_with_labels"] is None


def test_damaged_answers_are_refused(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    context = folder()
    with pytest.raises(InputError, match=r"answers\.npy.*cannot be read"):
        open_answers(context.folder)
    Teach(network(), digits()).run(context)
    path = context.folder / "answers.npy"
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InputError, match="Delete the folder of this step and run again"):
        open_answers(context.folder)
    np.save(path, np.zeros((1, 3, 10), np.float32))
    with pytest.raises(InputError, match=r"expected float32 \(1, 1000, 10\)"):
        open_answers(context.folder)
