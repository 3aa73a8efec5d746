"""A teacher's answers on their way: parts on disk that outlive a kill, each with its checksum."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.store import write_file

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST_BYTES = hashlib.sha256().digest_size
_MOST_SAMPLES = 2048
_MOST_BYTES = 8_000_000


@dataclass(frozen=True)
class Part:
    """A run of samples in one view: what is asked at one go and lost by a kill at most."""

    number: int
    view: int
    start: int
    stop: int
    batch_size: int
    """Samples that the teacher is asked about at once; fewer in the last batch."""
    size_bytes: int
    """Of its answers."""

    def batches(self) -> list[np.ndarray]:
        """Which samples each batch asks about, int64 `[batch]`."""
        starts = range(self.start, self.stop, self.batch_size)
        return [np.arange(start, min(start + self.batch_size, self.stop)) for start in starts]


def cut(*, views: int, samples: int, batch_size: int, row_bytes: int) -> list[Part]:
    """All parts, in the order in which their answers lie on disk.

    A part is a few batches, fewer where the answers are long, so that it is no burden to memory.
    How they are cut depends on nothing else: not on how many processes there are.
    """
    samples_at_once = min(_MOST_SAMPLES, _MOST_BYTES // row_bytes)
    length = max(1, samples_at_once // batch_size) * batch_size
    places = [
        (view, start, min(start + length, samples))
        for view in range(views)
        for start in range(0, samples, length)
    ]
    return [
        Part(number, view, start, stop, batch_size, (stop - start) * row_bytes)
        for number, (view, start, stop) in enumerate(places)
    ]


@dataclass(frozen=True)
class PartFolder:
    """A folder of parts: each a file that begins with the SHA-256 of what follows."""

    folder: Path

    def write(self, part: Part, content: bytes) -> None:
        """Keeps a part's answers, whole or not at all.

        Raises:
            DiskFullError: If there is no room left.
        """
        write_file(self._path(part), hashlib.sha256(content).digest() + content)

    def read(self, part: Part) -> bytes | None:
        """A part's answers; None where they are not there, or not as they were written."""
        path = self._path(part)
        if not path.is_file():
            return None
        stored = path.read_bytes()
        digest, content = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        whole = len(content) == part.size_bytes and hashlib.sha256(content).digest() == digest
        return content if whole else None

    def _path(self, part: Part) -> Path:
        return self.folder / f"part-{part.number:06}"
