from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.teacher import Model
from edgedistill.data.dataset import Dataset, Split
from edgedistill.models.network import Network, create
from edgedistill.models.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.teacher import Argument

PREPROCESSING = Preprocessing(scale=1 / 16, mean=(0.3,), std=(0.4,))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """Real pictures of digits, [1, 8, 8]."""
    raw = load_digits()
    pictures = raw.images.astype(np.float32)[:, None]

    def split(start: int, stop: int) -> Split:
        inputs = {"input": pictures[start:stop]}
        labels = raw.target[start:stop].astype(np.int64)
        return Split(inputs, labels, None, PREPROCESSING, Augmentation())

    return Dataset(
        name="digits",
        source="sklearn:digits",
        sha256="0" * 64,
        class_names=tuple(str(name) for name in range(10)),
        preprocessing=PREPROCESSING,
        train=split(0, 600),
        validation=split(600, 700),
        test=None,
        calibration=split(0, 32),
    )


@pytest.fixture(scope="session")
def built(digits: Dataset) -> Callable[..., Network]:
    """Builds a network of the zoo and teaches it a little, so that its channels differ."""

    def build(source: str, **args: Argument) -> Network:
        network = create(
            Model(source=source, args=args),
            Signature({"input": (1, 8, 8)}, 10),
            base=Path(),
            seed=0,
            preprocessing=PREPROCESSING,
        )
        teach(network.module, digits.train)
        return network

    return build


def teach(module: torch.nn.Module, split: Split, *, steps: int = 25) -> None:
    """A few steps of SGD on the labels."""
    inputs = torch.from_numpy(split.batch(np.arange(len(split)))["input"])
    labels = torch.from_numpy(split.labels)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    module.train()
    for step in range(steps):
        chosen = torch.arange(step * 64, step * 64 + 64) % len(split)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(inputs[chosen]), labels[chosen]).backward()
        optimizer.step()
    module.eval()
