"""A source whose samples are in memory: arrays, or what a loader gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.data.arrays import ArraySamples
from edgedistill.data.contents import Contents, Part, hash_arrays

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.data.contents import PartName


@dataclass(frozen=True, eq=False)
class RawPart:
    """The samples of one split as arrays."""

    inputs: Mapping[str, np.ndarray]
    """By input name, `[n, ...]`."""
    labels: np.ndarray
    """`[n]`."""
    groups: np.ndarray | None
    """`[n]`."""
    prefix: str
    """What stands before `inputs`, `labels` and `groups` where they are named, for errors."""

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Everything in it by name."""
        for name, values in self.inputs.items():
            yield f"inputs.{name}", values
        yield "labels", self.labels
        if self.groups is not None:
            yield "groups", self.groups


@dataclass(frozen=True, eq=False)
class MemoryReader:
    """Samples in memory."""

    name: str
    source: str
    preprocessing: Preprocessing
    parts: Mapping[PartName, RawPart]
    class_names: tuple[str, ...] | None
    file: Path | None = None
    runs_code: bool = False

    def fingerprint(self) -> str:
        """The sha256 of all arrays and the class names, as hex digits."""
        arrays = (
            (f"{part}.{name}", values)
            for part, raw in self.parts.items()
            for name, values in raw.arrays()
        )
        return hash_arrays(arrays, *(self.class_names or ()))

    def read(self) -> Contents:
        """The arrays by split."""
        return Contents(
            parts={name: self._part(raw) for name, raw in self.parts.items()},
            class_names=self.class_names,
        )

    def _part(self, raw: RawPart) -> Part:
        field = f"{raw.prefix}inputs"
        return Part(
            samples=ArraySamples(raw.inputs, self.preprocessing, field, self.file),
            labels=raw.labels,
            groups=raw.groups,
            prefix=raw.prefix,
        )
