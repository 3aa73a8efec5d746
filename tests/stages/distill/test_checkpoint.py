from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from edgedistill import tasks
from edgedistill.core.learning import Training
from edgedistill.stages.distill.checkpoint import Checkpoint, Reached
from edgedistill.stages.distill.lesson import Batch, Lesson
from edgedistill.stages.distill.loop import learn
from edgedistill.stages.distill.optimizer import optimizer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from edgedistill.core.stage import Advance, StageContext
    from edgedistill.data.dataset import Dataset
    from edgedistill.models import Network


class Killed(BaseException):
    """Stands for the kill: nothing catches it."""


class KilledInEpoch:
    """A progress under which the process ends in the middle of an epoch."""

    def __init__(self, step: int) -> None:
        self.step = step

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Advance]:
        taken = 0

        def advance(amount: int = 1, *, note: str = "") -> None:
            nonlocal taken
            taken += amount
            if taken >= self.step:
                raise Killed

        yield advance

    def say(self, line: str) -> None:
        pass


def on_labels(logits: Tensor, batch: Batch) -> Tensor:
    return tasks.label_loss(logits, batch.labels)


class WithDropout(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.dropout = nn.Dropout(0.2)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.module(self.dropout(pixels))
        return logits


def lesson_of(network: Network, dataset: Dataset, optimizer: str = "adamw") -> Lesson:
    return Lesson(
        network=replace(network, module=WithDropout(network.module)),
        dataset=dataset,
        training=Training.model_validate(
            {"epochs": 4, "batch_size": 64, "learning_rate": 5e-3, "optimizer": optimizer}
        ),
        samples=np.arange(len(dataset.train)),
        objective=on_labels,
        title="learning",
        recipe_key="stages.distill.train",
    )


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_training_killed_in_any_epoch_ends_with_the_same_bits(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
    optimizer: str,
) -> None:
    lesson = lesson_of(network(), digits(samples=320), optimizer)
    undisturbed, history = learn(lesson, folder("undisturbed"))
    context = folder("killed")
    checkpoint = context.folder / "checkpoint"
    checkpoint.mkdir()
    context = replace(context, checkpoint=checkpoint)
    reached = []
    for step in (3, 8, 9, 18):
        with pytest.raises(Killed):
            learn(lesson, replace(context, progress=KilledInEpoch(step)))
        reached.append(sorted(path.name for path in checkpoint.glob("*.safetensors")))
    resumed, after = learn(lesson, context)
    assert reached == [
        [],
        ["epoch-00001.safetensors"],
        ["epoch-00001.safetensors"],
        ["epoch-00003.safetensors"],
    ]
    assert after == history
    expected, found = undisturbed.module.state_dict(), resumed.module.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def checkpoint_of(folder: Path, *, steps: int = 2) -> Checkpoint:
    torch.manual_seed(0)
    modules: dict[str, nn.Module] = {"network": nn.Linear(3, 2)}
    optimizer = optimizer_of(nn.ModuleDict(modules), Training(epochs=1))
    for _ in range(steps):
        modules["network"](torch.ones(4, 3)).sum().backward()
        optimizer.step()
    return Checkpoint(folder, modules, optimizer)


REACHED = Reached(epochs=2, accuracy_before=0.1, losses=(2.0, 1.0), accuracies=(0.5, 0.6))


def test_a_checkpoint_reads_back_what_was_written(tmp_path: Path) -> None:
    written = checkpoint_of(tmp_path)
    written.write(REACHED)
    other = checkpoint_of(tmp_path, steps=0)
    assert other.restore() == REACHED
    weights = written.modules["network"].state_dict()
    assert all(
        torch.equal(value, weights[name])
        for name, value in other.modules["network"].state_dict().items()
    )
    states = [list(each.optimizer.state.values()) for each in (written, other)]
    for expected, found in zip(*states, strict=True):
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize("damage", ["cut", "flipped", "record", "absent", "empty"])
def test_a_damaged_checkpoint_counts_as_none(tmp_path: Path, damage: str) -> None:
    checkpoint_of(tmp_path).write(REACHED)
    path, record = tmp_path / "epoch-00002.safetensors", tmp_path / "epoch.json"
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-5])
    elif damage == "flipped":
        path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    elif damage == "record":
        record.write_text(record.read_text()[:-9])
    elif damage == "absent":
        path.unlink()
    else:
        record.write_text("")
    assert checkpoint_of(tmp_path).restore() is None
