from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.data.dataset import Dataset, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_READY = Preprocessing(kind="caller")


@dataclass(frozen=True, eq=False)
class MemoryAnswers:
    """A teacher's answers in memory, `[views, samples, classes]`."""

    values: np.ndarray

    @property
    def views(self) -> int:
        return int(self.values.shape[0])

    @property
    def samples(self) -> int:
        return int(self.values.shape[1])

    @property
    def classes(self) -> int:
        return int(self.values.shape[2])

    def logits(self, views: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return np.asarray(self.values[views, indices])


@pytest.fixture(scope="session")
def answers() -> Callable[..., MemoryAnswers]:
    """Answers of given probabilities, `[samples, classes]` or `[views, samples, classes]`."""

    def make(probabilities: object) -> MemoryAnswers:
        values = np.asarray(probabilities, dtype=np.float64)
        with np.errstate(divide="ignore"):
            logits = np.maximum(np.log(values), -200).astype(np.float32)
        return MemoryAnswers(logits if logits.ndim == 3 else logits[None])

    return make


def _split(labels: np.ndarray, groups: np.ndarray | None) -> Split:
    return Split(
        inputs={"input": np.zeros((len(labels), 2), np.float32)},
        labels=labels,
        groups=groups,
        preprocessing=_READY,
        augmentation=Augmentation(),
    )


@pytest.fixture(scope="session")
def dataset() -> Callable[..., Dataset]:
    def make(
        labels: Sequence[int], groups: Sequence[str] | None = None, *, names: Sequence[str] = "ab"
    ) -> Dataset:
        train = _split(np.asarray(labels, np.int64), None if groups is None else np.asarray(groups))
        other = _split(np.zeros(1, np.int64), None)
        return Dataset(
            name="tiny",
            source="live",
            sha256="0" * 64,
            class_names=tuple(names),
            preprocessing=_READY,
            train=train,
            validation=other,
            test=None,
            calibration=other,
        )

    return make


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., StageContext]:
    def make(name: str = "step") -> StageContext:
        path = tmp_path / name
        path.mkdir()
        return StageContext(folder=path)

    return make
