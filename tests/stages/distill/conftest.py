from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.datasets import load_digits

from edgedistill import models
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.data.dataset import Dataset, Split
from edgedistill.models import Network, Signature
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable

_PIXELS = Preprocessing(
    kind="image", color="grey", scale=1 / 16, mean=(0.3,), std=(0.4,), layout="nchw"
)
_NAMES = tuple("0123456789")


def _split(
    pixels: np.ndarray, labels: np.ndarray, augmentation: Augmentation | None = None
) -> Split:
    return Split(
        inputs={"input": pixels},
        labels=labels,
        groups=None,
        preprocessing=_PIXELS,
        augmentation=augmentation or Augmentation(),
    )


@pytest.fixture(scope="session")
def digits() -> Callable[..., Dataset]:
    """Real digits 8x8: 1000 to learn from, 797 to be judged by."""
    source = load_digits()
    pixels = source.images.astype(np.uint8)[..., None]
    truth = source.target.astype(np.int64)

    def make(
        *, labelled: float = 1.0, samples: int = 1000, augmentation: Augmentation | None = None
    ) -> Dataset:
        labels = truth[:samples].copy()
        hidden = np.random.default_rng(0).permutation(samples)[round(samples * labelled) :]
        labels[hidden] = UNLABELLED
        train = _split(pixels[:samples], labels, augmentation)
        return Dataset(
            name="digits",
            source="sklearn:digits",
            sha256="0" * 64,
            class_names=_NAMES,
            preprocessing=_PIXELS,
            train=train,
            validation=_split(pixels[1000:], truth[1000:]),
            test=None,
            calibration=_split(pixels[:64], truth[:64]),
        )

    return make


@pytest.fixture(scope="session")
def network() -> Callable[..., Network]:
    def make(name: str = "residual-cnn", *, seed: int = 0, **args: int) -> Network:
        return models.create(
            Model(source=f"builtin:{name}", args=dict(args) or {"width": 8, "stages": 2}),
            Signature(inputs={"input": (1, 8, 8)}, classes=10),
            base=Path(),
            seed=seed,
            preprocessing=_PIXELS,
        )

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., StageContext]:
    def make(name: str = "step", *, seed: int = 0, threads: int = 1) -> StageContext:
        path = tmp_path / name
        path.mkdir()
        return StageContext(folder=path, seed=seed, threads=threads)

    return make
