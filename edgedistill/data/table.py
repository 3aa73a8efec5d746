"""A CSV file of texts with their classes: where each row lies, and what is wrong with it.

Only places, classes and groups are held in memory; a text is read where it is needed.
"""

from __future__ import annotations

import csv
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from edgedistill.core.recipe import Columns

_SHOWN = 20


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a CSV file below its header."""

    file: Path
    text_place: int
    """Which field of a row is the text."""
    offsets: np.ndarray
    """Where each row begins, in bytes, int64 `[n]`."""
    lines: np.ndarray
    """The line on which each row begins, from 1, int64 `[n]`."""
    labels: tuple[str, ...]
    """The classes in the order in which they first come up."""
    numbers: np.ndarray
    """The class of each row, into `labels`, int64 `[n]`."""
    groups: np.ndarray | None
    """The group of each row as text, `[n]`."""

    def __len__(self) -> int:
        return len(self.offsets)

    def texts(self, indices: Iterable[int]) -> Iterator[str]:
        """The texts of some rows, in the order of the indices.

        Raises:
            InputError: If the file is another than when it was scanned.
        """
        with self.file.open("rb") as stream:
            for index in indices:
                stream.seek(int(self.offsets[index]))
                row = next(csv.reader(_Lines(stream, self.file), strict=True), [])
                if len(row) <= self.text_place:
                    problem = "changed while it was read"
                    remedy = "Leave the file as it is until the run is done, and run again"
                    raise InputError(Fault(file=self.file, problem=problem, remedy=remedy))
                yield row[self.text_place].removeprefix("\ufeff")


def scan(file: Path, columns: Columns) -> Table:
    """Reads a CSV file once: UTF-8, commas, a header, one row a text. Empty lines do not count.

    Args:
        file: The CSV file.
        columns: What its columns are called.

    Raises:
        InputError: With every row that is wrong, up to the first that ends the reading: bytes that
            are not UTF-8, or a quote that does not close.
    """
    with file.open("rb") as stream:
        lines = _Lines(stream, file)
        rows = _Rows(lines, csv.reader(lines, strict=True))
        header = [name.strip() for name in next(iter(rows), [])]
        if rows.faults:
            raise InputError(*rows.faults)
        places = _places(header, columns, file)
        found = _Found(file, len(header), places)
        for row in rows:
            found.take(row, rows.line, rows.offset)
    if rows.faults or found.faults:
        faults = found.faults[:_SHOWN]
        if len(found.faults) > _SHOWN:
            problem = f"{len(found.faults) - _SHOWN} more rows are wrong"
            faults.append(Fault(file=file, problem=problem, remedy="Repair these too"))
        raise InputError(*faults, *rows.faults)
    if not found.offsets:
        raise InputError(
            Fault(file=file, problem="holds no text", remedy="Add rows below the header")
        )
    return Table(
        file=file,
        text_place=places["text"],
        offsets=np.array(found.offsets, np.int64),
        lines=np.array(found.lines, np.int64),
        labels=tuple(found.labels),
        numbers=np.array(found.numbers, np.int64),
        groups=np.array(found.groups, np.str_) if "group" in places else None,
    )


class _Lines:
    """The lines of a file as text, counted."""

    def __init__(self, stream: BinaryIO, file: Path) -> None:
        self.number = self.position = 0
        self._stream, self._file = stream, file

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._stream.readline()
        if not raw:
            raise StopIteration
        self.number += 1
        self.position += len(raw)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                Fault(
                    file=self._file,
                    field=f"line {self.number}",
                    given=repr(raw[max(0, error.start - 20) : error.end + 20]),
                    problem="is not UTF-8",
                    remedy="Save the file as UTF-8",
                )
            ) from error
        return text.removeprefix("\ufeff") if self.number == 1 else text


@dataclass
class _Rows:
    """Rows with the place where each begins; ends at the first that cannot be read."""

    lines: _Lines
    reader: Iterator[list[str]]
    line: int = 0
    offset: int = 0
    faults: list[Fault] = field(default_factory=list)

    def __iter__(self) -> Iterator[list[str]]:
        while True:
            self.offset, self.line = self.lines.position, self.lines.number + 1
            try:
                row = next(self.reader, None)
            except InputError as error:
                self.faults += error.faults
                return
            except csv.Error as error:
                self.faults.append(self._broken(error))
                return
            if row is None:
                return
            if row:
                yield row

    def _broken(self, error: csv.Error) -> Fault:
        problem, remedy = f"cannot be read: {error}", "Repair the row"
        if "unexpected end of data" in str(error) or self.lines.number > self.line:
            problem = "holds a quote that is not closed"
            remedy = 'Close it, or write a quote inside of a text as ""'
        return Fault(
            file=self.lines._file,
            field=f"line {self.line}",
            problem=problem,
            remedy=remedy,
        )


@dataclass
class _Found:
    """What the rows hold, as they come."""

    file: Path
    width: int
    places: dict[str, int]
    offsets: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("q"))
    labels: dict[str, int] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def take(self, row: list[str], line: int, offset: int) -> None:
        faults = self._faults(row, line)
        self.faults += faults
        if faults:
            return
        label = row[self.places["label"]].strip()
        self.offsets.append(offset)
        self.lines.append(line)
        self.numbers.append(self.labels.setdefault(label, len(self.labels)))
        if "group" in self.places:
            self.groups.append(row[self.places["group"]].strip())

    def _faults(self, row: list[str], line: int) -> list[Fault]:
        if len(row) != self.width:
            return [
                Fault(
                    file=self.file,
                    field=f"line {line}",
                    given=f"{len(row)} values",
                    problem=f"does not have a value for each of the {self.width} columns",
                    remedy="Put a text that holds commas into quotes",
                )
            ]
        return [
            Fault(
                file=self.file,
                field=f"line {line}, {name}",
                given=repr(row[place]),
                problem="is empty",
                remedy=f"Give a {name}, or take the row out",
            )
            for name, place in self.places.items()
            if not row[place].strip()
        ]


def _places(header: list[str], columns: Columns, file: Path) -> dict[str, int]:
    """Which field of a row is text, label and group."""
    wanted = {"text": columns.text, "label": columns.label, "group": columns.group}
    faults = [
        Fault(
            file=file,
            field=f"data.columns.{role}",
            given=name,
            problem="is not a column of the file"
            if name not in header
            else "stands more than once in the header",
            remedy=f"Its header names: {', '.join(header) or 'nothing'} (columns are separated by "
            "commas)",
        )
        for role, name in wanted.items()
        if name is not None and header.count(name) != 1
    ]
    if faults:
        raise InputError(*faults)
    return {role: header.index(name) for role, name in wanted.items() if name is not None}
