"""What a reader gives: samples that can be prepared piece by piece, with labels and groups."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.errors import Fault

PartName = Literal["train", "validation", "test"]
PART_NAMES: tuple[PartName, ...] = ("train", "validation", "test")
INPUT = "input"
"""The name of the only input of a source that does not name its inputs."""

_CHUNK_SAMPLES = 256
_CHUNK_VALUES = 4_000_000

Format = tuple[tuple[int, ...], np.dtype]
"""Shape of one prepared sample, and its type."""


class Samples(Protocol):
    """Samples on their way into a prepared folder: pictures decoded, resized and cropped."""

    def __len__(self) -> int: ...

    def faults(self) -> list[Fault]:
        """Everything wrong that can be told without decoding a file."""

    def formats(self) -> dict[str, Format]:
        """Shape and type of a prepared sample by input name."""

    def chunks(self, indices: np.ndarray, *, threads: int) -> Iterator[dict[str, np.ndarray]]:
        """Prepared samples in the order of the indices, some at a time, by input name.

        Raises:
            InputError: After the last chunk, with one fault for each sample that cannot be read.
        """

    def texts(self, indices: np.ndarray) -> Iterator[str] | None:
        """The texts in the order of the indices; None where samples are not texts."""


@dataclass(frozen=True, eq=False)
class Part:
    """The samples a source brings as one split."""

    samples: Samples
    labels: np.ndarray
    """`[n]`, as the source gave them, not yet checked."""
    groups: np.ndarray | None
    """`[n]`, as the source gave them."""
    prefix: str
    """What stands before `labels` and `groups` where the source names them, for errors."""


@dataclass(frozen=True, eq=False)
class Contents:
    """All a source holds."""

    parts: Mapping[PartName, Part]
    """Always with train."""
    class_names: tuple[str, ...] | None
    """None where the source does not name its classes."""
    companions: Mapping[str, bytes] = field(default_factory=dict)
    """Files that a device needs beside the model to prepare its inputs: name to content."""


class Reader(Protocol):
    """One source of samples."""

    @property
    def name(self) -> str:
        """A short name of the data set."""

    @property
    def source(self) -> str:
        """The source as the recipe says it, without the machine's folders."""

    @property
    def file(self) -> Path | None:
        """What to name in an error."""

    @property
    def runs_code(self) -> bool:
        """Whether reading runs code that the recipe names."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to each sample: declared, or the source's default."""

    def fingerprint(self) -> str:
        """The sha256 of all samples, labels, groups and class names, as hex digits."""

    def read(self) -> Contents:
        """Opens the source.

        Raises:
            InputError: If it cannot be read.
        """


def chunk_length(shape: tuple[int, ...], *, at_least: int = 1) -> int:
    """How many samples of this shape to hold at a time, so that memory stays flat."""
    return max(at_least, min(_CHUNK_SAMPLES, _CHUNK_VALUES // max(1, math.prod(shape))))


def hash_arrays(arrays: Iterable[tuple[str, np.ndarray]], *words: str) -> str:
    """The sha256 of named arrays and words, as hex digits.

    Arrays count with name, type, shape and values; how they lie in memory does not matter.
    """
    digest = hashlib.sha256("\0".join(words).encode())
    for name, values in arrays:
        digest.update(f"\0{name}\0{values.dtype.str}\0{values.shape}\0".encode())
        for start in range(0, len(values), 4096):
            digest.update(np.ascontiguousarray(values[start : start + 4096]).tobytes())
    return digest.hexdigest()
