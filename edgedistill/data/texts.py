"""Texts with their classes: DIR/train.csv beside validation.csv and test.csv, or one CSV file."""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.data.contents import PART_NAMES, Contents, Part
from edgedistill.data.table import scan
from edgedistill.data.tokens import DTYPE, IDS, MASK, TOKENIZER_FILE, Tokenizing
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.core.recipe import Columns
    from edgedistill.data.contents import Format, PartName
    from edgedistill.data.table import Table

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class TextSamples:
    """Samples that are rows of a CSV file; they become token numbers when they are prepared."""

    table: Table
    tokenizing: Tokenizing

    def __len__(self) -> int:
        return len(self.table)

    def faults(self) -> list[Fault]:
        """Nothing: what is wrong with a row showed when the file was scanned."""
        return []

    def formats(self) -> dict[str, Format]:
        """Shape and type of token numbers and mask."""
        shape = (self.tokenizing.contract.max_tokens or 0,)
        return {IDS: (shape, DTYPE), MASK: (shape, DTYPE)}

    def chunks(self, indices: np.ndarray, *, threads: int) -> Iterator[dict[str, np.ndarray]]:
        """Token numbers and mask in the order of the indices, some at a time.

        Raises:
            InputError: After the last chunk, with one fault for each text without a token.
        """
        del threads
        faults: list[Fault] = []
        for start in range(0, len(indices), _CHUNK):
            chosen = indices[start : start + _CHUNK]
            encoded = self.tokenizing.encode(list(self.table.texts(chosen)))
            empty = encoded[MASK].sum(axis=1) <= self.tokenizing.special_tokens
            faults += [self._without_token(int(index)) for index in chosen[empty]]
            yield encoded
        if faults:
            raise InputError(*faults)

    def texts(self, indices: np.ndarray) -> Iterator[str]:
        """The texts themselves, in the order of the indices."""
        return self.table.texts(indices)

    def _without_token(self, index: int) -> Fault:
        return Fault(
            file=self.table.file,
            field=f"line {self.table.lines[index]}, text",
            given=repr(next(self.table.texts([index]))),
            problem="gives no token: the tokenizer knows nothing in it",
            remedy="Take the row out, or give a tokenizer that knows these characters",
        )


@dataclass(frozen=True, eq=False)
class TextReader:
    """CSV files of texts."""

    path: Path
    """The folder or the file."""
    files: Mapping[PartName, Path]
    columns: Columns
    declared: Preprocessing
    tokenizer_file: Path

    @classmethod
    def open(
        cls, path: Path, columns: Columns, declared: Preprocessing, *, tokenizer_file: Path
    ) -> TextReader:
        """Looks which files there are, without reading one.

        Args:
            path: The folder or the file.
            columns: What the columns are called.
            declared: What the recipe says is done to a text.
            tokenizer_file: Where the tokenizer lies.

        Raises:
            InputError: If it is not there, or holds other CSV files than it should.
        """
        return cls(path, _files(path), columns, declared, tokenizer_file)

    @property
    def name(self) -> str:
        """The folder's name, or the file's without its ending."""
        return self.path.name if self.path.is_dir() else self.path.stem

    @property
    def source(self) -> str:
        """The source without the machine's folders."""
        return f"csv:{self.path.name}"

    @property
    def file(self) -> Path:
        """The folder or the file."""
        return self.path

    @property
    def runs_code(self) -> bool:
        """No: texts and a tokenizer.json are data."""
        return False

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to a text, with nothing left open and no path in it.

        Raises:
            InputError: If the tokenizer is not there, or not what was declared.
            MissingExtraError: If the package tokenizers is not installed.
        """
        return self._tokenizing.contract

    def fingerprint(self) -> str:
        """The sha256 of the files' bytes and of what their columns are called, as hex digits.

        The version of tokenizers counts too: it decides which tokens a text becomes. The
        tokenizer itself counts with the preprocessing.
        """
        digest = hashlib.sha256(self.columns.model_dump_json().encode())
        digest.update(importlib.metadata.version("tokenizers").encode())
        for part, file in self.files.items():
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"\0{part}\0{content}".encode())
        return digest.hexdigest()

    def read(self) -> Contents:
        """The rows by split, their texts not yet read; classes in alphabetical order.

        Raises:
            InputError: With every row that is wrong in any of the files.
        """
        tables: dict[PartName, Table] = {}
        faults: list[Fault] = []
        for part, file in self.files.items():
            try:
                tables[part] = scan(file, self.columns)
            except InputError as error:
                faults += error.faults
        if faults:
            raise InputError(*faults)
        names = tuple(sorted(tables["train"].labels))
        if faults := self._class_faults(tables, names):
            raise InputError(*faults)
        return Contents(
            parts={part: self._part(table, names, part) for part, table in tables.items()},
            class_names=names,
            companions={TOKENIZER_FILE: self._tokenizing.content},
        )

    @cached_property
    def _tokenizing(self) -> Tokenizing:
        return Tokenizing.open(self.tokenizer_file, self.declared)

    def _part(self, table: Table, names: tuple[str, ...], part: PartName) -> Part:
        places = np.array([names.index(label) for label in table.labels], np.int64)
        return Part(
            samples=TextSamples(table, self._tokenizing),
            labels=places[table.numbers],
            groups=table.groups,
            prefix=f"{part}.",
        )

    def _class_faults(
        self, tables: Mapping[PartName, Table], names: tuple[str, ...]
    ) -> list[Fault]:
        if len(names) < 2:
            return [
                Fault(
                    file=self.files["train"],
                    field=f"data.columns.label: {self.columns.label}",
                    given=", ".join(names),
                    problem="does not hold at least two classes",
                    remedy="Give texts of two classes or more, or name another column",
                )
            ]
        return [
            Fault(
                file=table.file,
                field=f"line {table.lines[int((table.numbers == number).argmax())]}, label",
                given=label,
                problem="is a class that train does not have",
                remedy=f"Known classes: {', '.join(names[:20])}",
            )
            for table in tables.values()
            for number, label in enumerate(table.labels)
            if label not in names
        ]


def _files(path: Path) -> dict[PartName, Path]:
    if path.is_file():
        return {"train": path}
    if not path.is_dir():
        remedy = "Give a CSV file, or a folder with train.csv"
        raise InputError(
            Fault(file=path, field="data.source", problem="does not exist", remedy=remedy)
        )
    found = {file.stem: file for file in sorted(path.glob("*.csv"))}
    remedy = "Beside train.csv only validation.csv and test.csv may stand"
    faults = [
        Fault(file=file, problem="is not a split", remedy=remedy)
        for name, file in found.items()
        if name not in PART_NAMES
    ]
    if "train" not in found:
        remedy = "Add train.csv, or give the path of one CSV file"
        faults.append(Fault(file=path, problem="has no train.csv", remedy=remedy))
    if faults:
        raise InputError(*faults)
    return {part: found[part] for part in PART_NAMES if part in found}
