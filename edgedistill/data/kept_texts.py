"""The texts of a prepared split: one JSON string a line, read one by one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def write_texts(file: Path, texts: Iterable[str]) -> None:
    """Writes texts, one JSON string a line; a line feed inside of a text is escaped."""
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for text in texts:
            stream.write(json.dumps(text, ensure_ascii=False) + "\n")


@dataclass(frozen=True, eq=False)
class KeptTexts(Sequence[str]):
    """What `write_texts` wrote. Only the places of the lines are held in memory.

    Attributes:
        file: The file.
        length: How many texts it holds.
    """

    file: Path
    length: int

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """One text, or several.

        Raises:
            IndexError: If there is no such text.
            InputError: If the file is damaged.
        """
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self.length))]
        place = range(self.length)[index]
        with self.file.open("rb") as stream:
            stream.seek(int(self._offsets[place]))
            line = stream.readline()
        try:
            text = json.loads(line)
        except ValueError as error:
            raise self._damaged(f"line {place + 1} is not JSON") from error
        if not isinstance(text, str):
            raise self._damaged(f"line {place + 1} is not a text")
        return text

    @cached_property
    def _offsets(self) -> np.ndarray:
        """Where each line begins, int64 `[length]`."""
        with self.file.open("rb") as stream:
            ends = np.cumsum(np.fromiter((len(line) for line in stream), np.int64))
        if len(ends) != self.length:
            raise self._damaged(f"holds {len(ends)} texts, not {self.length}")
        return np.concatenate([[0], ends[:-1]])

    def _damaged(self, problem: str) -> InputError:
        return InputError(Fault(file=self.file, problem=problem, remedy="Prepare the data again"))
