"""JSON documents read strictly, before anybody asks what they hold. Standard library only."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

_AGAIN = "Run the command that made it again"


@dataclass(frozen=True)
class Sort:
    """A sort of document, as far as its reader must know it."""

    kind: str
    title: str
    """With its article, for a person."""
    newest: int
    """The newest schema version that is read."""
    give: str
    """What to give instead of another file."""


BASELINE = Sort(
    "edgedistill-baseline",
    "an edgedistill baseline",
    1,
    "Give the file that edgedistill baseline wrote",
)
REPORT = Sort("edgedistill-report", "an edgedistill report", 2, "Give the report.json of a run")


def read_json(path: Path, sort: Sort) -> dict[str, Any]:
    """Reads a document of one sort as plain values.

    Raises:
        InputError: If the file is missing, cut off, not JSON, holds NaN or a key twice, is of
            another sort, or comes from a newer edgedistill.
    """
    document = read_values(path, sort)
    if not isinstance(document, dict) or document.get("kind") != sort.kind:
        kind = repr(document.get("kind")) if isinstance(document, dict) else None
        raise InputError(
            Fault(
                file=path,
                field="kind",
                given=kind,
                problem=f"is not {sort.title}",
                remedy=sort.give,
            )
        )
    version = document.get("schema_version")
    if isinstance(version, int) and version > sort.newest:
        raise InputError(
            Fault(
                file=path,
                field="schema_version",
                given=str(version),
                problem="comes from a newer edgedistill; this one reads up to "
                f"schema_version {sort.newest}",
                remedy="Upgrade with: pip install --upgrade edgedistill",
            )
        )
    return document


def read_values(path: Path, sort: Sort) -> Any:
    """Reads any JSON file as plain values.

    Raises:
        InputError: If the file is missing, cut off, not JSON, or holds NaN or a key twice.
    """
    return _parse(_read_text(path, sort), path)


def _read_text(path: Path, sort: Sort) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        fault = Fault(file=path, problem="does not exist", remedy=sort.give)
        raise InputError(fault) from error
    except UnicodeDecodeError as error:
        raise InputError(Fault(file=path, problem="is not UTF-8 text", remedy=_AGAIN)) from error
    except OSError as error:
        fault = Fault(file=path, problem=f"cannot be read: {error.strerror}", remedy=sort.give)
        raise InputError(fault) from error


class _RefusedError(ValueError):
    """Something that JSON readers accept and a report may not hold."""


def _parse(text: str, path: Path) -> Any:
    try:
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_unique_keys,
        )
    except json.JSONDecodeError as error:
        cut_off = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        problem = "is cut off" if cut_off else f"is not JSON: {error.msg}"
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(Fault(file=path, field=where, problem=problem, remedy=_AGAIN)) from error
    except (_RefusedError, RecursionError) as error:
        problem = str(error) if isinstance(error, _RefusedError) else "is nested too deeply"
        raise InputError(Fault(file=path, problem=problem, remedy=_AGAIN)) from error


def _refuse_constant(literal: str) -> Any:
    raise _RefusedError(f"holds {literal}, which is not a finite number")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise _RefusedError(f"holds {literal}, which is not a finite number")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _RefusedError(f"holds the key {twice!r} twice")
    return document
