"""Small real data to prepare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest
from PIL import Image

from edgedistill.core.stage import StageContext
from edgedistill.data import Dataset, Source, open_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Prepare(Protocol):
    def __call__(self, source: Source, name: str = "prepared") -> tuple[Dataset, Mapping]: ...


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Runs a source and opens what it wrote: the data set and the facts."""

    def run(source: Source, name: str = "prepared") -> tuple[Dataset, Mapping]:
        folder = tmp_path / name
        folder.mkdir()
        facts = source.run(StageContext(folder=folder, threads=2)).facts
        return open_dataset(folder), facts

    return run


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of pictures: 12 each of two classes, red ones brighter than blue ones."""

    def make(name: str = "colours", size: tuple[int, int] = (10, 12), count: int = 12) -> Path:
        folder = tmp_path / name
        generator = np.random.default_rng(3)
        for channel, label in ((2, "blue"), (0, "red")):
            (folder / label).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 80, (*size, 3), dtype=np.uint8)
                pixels[..., channel] += 150
                Image.fromarray(pixels).save(folder / label / f"{index:02}.png")
        return folder

    return make
