from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from edgedistill import models
from edgedistill.core.learning import Answers
from edgedistill.core.recipe import Augmentation
from edgedistill.data.dataset import Dataset, Split
from edgedistill.errors import InputError, PromiseError
from edgedistill.stages.distill.answers import Teach, open_answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.stage import StageContext
    from edgedistill.models import Network

VIEWS = Augmentation(views=3, shift_pixels=1)
EXACT = Answers(precision="float32")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("config", [EXACT, Answers(), Answers(top_k=4)])
def test_answers_are_the_networks_own_on_every_view(
    config: Answers,
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    teacher, dataset, context = network(), digits(augmentation=VIEWS), folder()
    facts = Teach(teacher, dataset, config).run(context).facts
    answers = open_answers(context.folder)
    assert (answers.views, answers.samples, answers.classes) == (3, 1000, 10)
    some = np.array([999, 0, 300])
    for view in range(3):
        inputs = dataset.train.batch(some, view=view)["input"]
        with torch.no_grad():
            expected = models.logits(teacher.module, {"input": torch.from_numpy(inputs)})
        found = torch.from_numpy(answers.logits(np.full(3, view), some))
        if config is EXACT:
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        best = expected.topk(4 if config.top_k else 10).indices
        torch.testing.assert_close(
            found.softmax(1).gather(1, best),
            expected.softmax(1).gather(1, best),
            rtol=0,
            atol=1e-3,
        )
    every = np.arange(1000)
    right = [
        float((answers.logits(np.full(1000, view), every).argmax(1) == dataset.train.labels).mean())
        for view in range(3)
    ]
    assert facts["agreement_with_labels"] == pytest.approx(right)
    assert facts["size_mb"] * 1e6 == pytest.approx((context.folder / "answers.npy").stat().st_size)
    assert (facts["precision"], facts["top_k"]) == (config.precision, config.top_k)
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
        files.append(contents(context.folder))
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
    assert max(split.asked) == 64
    assert sum(split.asked) == 3 * samples


def test_a_teacher_that_answers_nan_is_refused(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    teacher = network()
    with torch.no_grad():
        next(teacher.module.parameters()).fill_(torch.nan)
    with pytest.raises(PromiseError, match=r"64 samples with NaN or infinity.*preprocessing"):
        Teach(teacher, digits()).run(folder())


def test_a_teacher_of_other_classes_is_refused(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    dataset = replace(digits(), class_names=("a", "b"))
    with pytest.raises(PromiseError, match=r"\[64, 2\], found shape \[64, 10\]"):
        Teach(network(), dataset).run(folder())


def test_no_labels_at_all_is_no_hindrance(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    facts = Teach(network(), digits(labelled=0.0)).run(folder()).facts
    assert facts["labelled"] == 0
    assert facts["agreement_with_labels"] is None


class SilentModule(torch.nn.Module):
    """Must never be asked."""

    def forward(self, _input: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the teacher was asked")


def test_answers_too_large_for_the_disk_are_refused_before_the_teacher_is_asked(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    dataset, silent = digits(augmentation=VIEWS), replace(network(), module=SilentModule())
    with pytest.raises(
        InputError,
        match=r"stages\.answers\.max_size_mb: the teacher's answers need 0\.120128 MB on disk "
        r"\(given: 0\.1\)\. Raise it to 0\.120128 or more, or .*float16, or .*top_k, or .*views",
    ):
        Teach(silent, dataset, EXACT.model_copy(update={"max_size_mb": 0.1})).run(folder())
    half, fits = Answers(max_size_mb=0.06), Answers(max_size_mb=0.060128)
    with pytest.raises(InputError, match=r"need 0\.060128 MB on disk .* or more, or keep the high"):
        Teach(silent, dataset, half).run(folder("half"))
    context = folder("fits")
    Teach(network(), dataset, fits).run(context)
    assert (context.folder / "answers.npy").stat().st_size == 60_128


def test_answers_beyond_float16_are_refused(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    teacher = network()
    with torch.no_grad():
        for parameter in list(teacher.module.parameters())[-2:]:
            parameter.mul_(1e6)
    with pytest.raises(PromiseError, match=r"stages\.answers\.precision: float32"):
        Teach(teacher, digits()).run(folder())
    Teach(teacher, digits(), EXACT).run(folder("exact"))
