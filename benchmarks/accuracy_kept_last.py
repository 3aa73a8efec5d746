"""Networks for the last two ways of keeping accuracy: sixteen-bit activations, and fine-tuning."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import accuracy_kept_networks as networks
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from edgedistill import models
from edgedistill.app.fine_tuning import rounding_of
from edgedistill.core.learning import Distill, Training
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.stages.distill import Distillation, Teach, open_answers

if TYPE_CHECKING:
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.data.dataset import Dataset

BLACK_LEVEL, PER_STEP = 2000.0, 1.0
"""Of a sensor: what it counts in the dark, and how many counts more a step of brightness is."""
WIDTH, BLOCKS = 24, 2
OCTAVES = 5.0
"""Channels of the residual stream are scaled by 2 to the power of up to this each way."""
LESSON = Distill(temperature=2, train=Training(epochs=30, batch_size=32, learning_rate=4e-3))


def digits_in_counts() -> Dataset:
    """The digits as a sensor counts light: 16 steps of brightness above a high black level."""
    source = load_digits()
    counts = (BLACK_LEVEL + PER_STEP * source.images).astype(np.float32)[:, None]
    return networks.dataset_of("digits", counts, source.target, 900)


def counting(dataset: Dataset, path: Path) -> None:
    """A perceptron that takes counts: its first layer takes the black level off."""
    mean, spread = BLACK_LEVEL + 5 * PER_STEP, 6 * PER_STEP
    first = nn.Linear(64, 48)
    rest = nn.Sequential(nn.ReLU(), nn.Linear(48, 64), nn.ReLU(), nn.Linear(64, 10))
    standardized = networks.Standardized(torch.tensor(mean), torch.tensor(spread))
    networks.teach(nn.Sequential(nn.Flatten(), standardized, first, rest), dataset, epochs=25)
    with torch.no_grad():
        first.weight /= spread
        first.bias -= mean * first.weight.sum(1)
    networks.export(nn.Sequential(nn.Flatten(), first, rest), dataset, path)


class Residual(nn.Module):
    """A small ResNet."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, WIDTH, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.blocks = nn.ModuleList(_Block() for _ in range(BLOCKS))
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Pictures `[batch, 1, 8, 8]` to logits `[batch, 10]`."""
        x = self.norm(self.stem(input)).relu()
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))

    def make_unlike(self) -> None:
        """Scales the channels of the residual stream, and takes it back where they are read.

        Nothing that follows can be rescaled alone: all blocks write to the stream and read it.
        """
        exponents = np.random.default_rng(0).uniform(-OCTAVES, OCTAVES, WIDTH)
        factors = torch.from_numpy(2**exponents).float()
        with torch.no_grad():
            for norm in (self.norm, *(block.second_norm for block in self.blocks)):
                norm.weight *= factors
                norm.bias *= factors
            for block in self.blocks:
                block.first.weight /= factors[:, None, None]
            self.head.weight /= factors


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(WIDTH)
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.first_norm(self.first(x)).relu()
        return (x + self.second_norm(self.second(inner))).relu()


def residual(dataset: Dataset, path: Path) -> None:
    """Trains the ResNet, makes its channels unlike, and keeps its weights beside the file."""
    module = Residual()
    networks.teach(module, dataset, epochs=25)
    module.make_unlike()
    torch.nn.Module.eval(module)
    models.save(_network(module), path.parent)
    networks.export(module, dataset, path)


def tuned(scheme: QuantizationScheme, dataset: Dataset, source: Path, path: Path) -> None:
    """The network of `residual` after it learned its own answers in rounded numbers.

    Args:
        scheme: How it will be rounded.
        dataset: What it learns from.
        source: The folder with its weights.
        path: Where the tuned network is written.
    """
    network = models.load(source, model=_MODEL, base=source, live={"residual": Residual()})
    with TemporaryDirectory() as name:
        answers, lesson = Path(name) / "answers", Path(name) / "lesson"
        answers.mkdir()
        lesson.mkdir()
        Teach(network, dataset).run(StageContext(answers))
        Distillation(
            network, dataset, open_answers(answers), LESSON, rounding=rounding_of(scheme)
        ).run(StageContext(lesson))
        learned = models.load(lesson, model=_MODEL, base=lesson, live={"residual": Residual()})
    networks.export(learned.module, dataset, path)


_MODEL = Model(source="live:residual")


def _network(module: nn.Module) -> models.Network:
    signature = models.Signature({"input": (1, 8, 8)}, 10)
    return models.Network(module, _MODEL, signature, networks.RAW)
