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

    from torch import nn

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
        class_names=tuple(f"Ziffer „{name}“" for name in range(10)),
        preprocessing=PREPROCESSING,
        train=split(0, 600),
        validation=split(600, 700),
        test=None,
        calibration=split(0, 32),
    )


@pytest.fixture(scope="session")
def residual() -> Network:
    return create(
        Model(source="builtin:residual-cnn", args={"width": 8, "stages": 2}),
        Signature({"input": (1, 8, 8)}, 10),
        base=Path(),
        seed=0,
        preprocessing=PREPROCESSING,
    )


@pytest.fixture(scope="session")
def live() -> Callable[[nn.Module], Network]:
    """Wraps a module as it is handed in through the Python API."""

    def wrap(module: nn.Module) -> Network:
        return create(
            Model(source="live:own"),
            Signature({"input": (1, 8, 8)}, 10),
            base=Path(),
            seed=0,
            preprocessing=PREPROCESSING,
            live={"own": module},
        )

    return wrap
