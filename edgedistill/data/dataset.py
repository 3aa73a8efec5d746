"""The data set as everyone after the readers sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.data.augmentation import erase, move
from edgedistill.data.numeric import arrange, normalize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.core.recipe import Augmentation


@dataclass(frozen=True, eq=False)
class Split:
    """Some of the samples: raw, and as the network takes them."""

    inputs: Mapping[str, np.ndarray]
    """Raw values by input name, `[n, ...]`, uint8, float32 or (token numbers) int32, possibly
    memory-mapped."""
    labels: np.ndarray
    """int64 `[n]`, UNLABELLED where the label may not be used."""
    groups: np.ndarray | None
    """Text `[n]`, where the source tells."""
    preprocessing: Preprocessing
    augmentation: Augmentation
    """One view only for every split but train."""
    texts: Sequence[str] | None = None
    """The text of each sample, read from disk one by one; None for data that is not text."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def views(self) -> int:
        """How many views of each sample exist; view 0 is the sample itself."""
        return self.augmentation.views

    def batch(self, indices: np.ndarray, *, view: int = 0) -> dict[str, np.ndarray]:
        """Network inputs of some samples.

        Args:
            indices: Which samples, `[batch]`, in any order.
            view: Which view of them; a view of a sample is the same in every batch.

        Returns:
            By input name, `[batch, ...]`, contiguous: float32, or int64 where they are tokens.

        Raises:
            IndexError: If there is no such view or sample.
        """
        if not 0 <= view < self.views:
            raise IndexError(f"there is no view {view}: the split has {self.views}")
        indices = np.asarray(indices)
        return {name: self._network_input(raw, indices, view) for name, raw in self.inputs.items()}

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """All samples in order, unchanged: indices `[batch]` and network inputs, batch by batch."""
        for start in range(0, len(self), size):
            indices = np.arange(start, min(start + size, len(self)))
            yield indices, self.batch(indices)

    def _network_input(self, raw: np.ndarray, indices: np.ndarray, view: int) -> np.ndarray:
        values = np.asarray(raw[indices])
        if self.preprocessing.kind == "text":
            return np.ascontiguousarray(values, dtype=np.int64)
        if view:
            values = move(values, indices, view, self.augmentation)
        numbers = normalize(values, self.preprocessing)
        if view:
            numbers = erase(numbers, indices, view, self.augmentation)
        return arrange(numbers, self.preprocessing)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A prepared data set, its splits cut for good."""

    name: str
    source: str
    """Where the samples came from, as the recipe says it but without the machine's folders."""
    sha256: str
    """Fingerprint of the samples and of everything done to them."""
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    train: Split
    validation: Split
    """Decides; never trained on."""
    test: Split | None
    """Reported; never decides."""
    calibration: Split
    """Some of the train samples, unchanged."""
    companions: tuple[Path, ...] = ()
    """Files that a device needs beside the model to prepare its inputs, such as tokenizer.json."""

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each network input, without the batch axis."""
        first = self.train.batch(np.array([0]))
        return {name: values.shape[1:] for name, values in first.items()}

    @property
    def input_dtypes(self) -> dict[str, str]:
        """Type of each network input, as numpy and torch call it."""
        first = self.train.batch(np.array([0]))
        return {name: values.dtype.name for name, values in first.items()}
