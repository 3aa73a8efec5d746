"""`report.json`: the truth. Written canonically, read strictly."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from edgedistill.core.report import Report
from edgedistill.errors import Fault, InputError, PromiseError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.quantized import QuantizeReport

KIND = "edgedistill-report"
SCHEMA_VERSION = 2
_AGAIN = "Run the command that made it again"


def report_text(report: Report | QuantizeReport) -> str:
    """A report as canonical JSON: keys sorted, two spaces, one newline at the end.

    Raises:
        PromiseError: If the report holds a number that is not finite, or no plain value.
    """
    try:
        text = json.dumps(
            # As Python values: pydantic's own JSON would write null for a NaN in a free field.
            report.model_dump(mode="python"),
            sort_keys=True,
            indent=2,
            allow_nan=False,
            ensure_ascii=False,
        )
    except (ValueError, TypeError) as error:
        raise PromiseError(
            stage="report",
            promised="plain values and finite numbers",
            found=str(error),
            remedy="This is a fault of the step that gave the number",
        ) from error
    return text + "\n"


def read_report(path: Path) -> Report:
    """Reads a report that was written here or elsewhere.

    Raises:
        InputError: If the file is missing, cut off, not JSON, holds NaN or a key twice, is no
            report, comes from a newer edgedistill, or does not fit the schema.
    """
    document = _parse(_read_text(path), path)
    if not isinstance(document, dict) or document.get("kind") != KIND:
        kind = repr(document.get("kind")) if isinstance(document, dict) else None
        raise InputError(
            Fault(
                file=path,
                field="kind",
                given=kind,
                problem="is not an edgedistill report",
                remedy="Give the report.json of a run",
            )
        )
    version = document.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            Fault(
                file=path,
                field="schema_version",
                given=str(version),
                problem="comes from a newer edgedistill; this one reads up to "
                f"schema_version {SCHEMA_VERSION}",
                remedy="Upgrade with: pip install --upgrade edgedistill",
            )
        )
    return Report.read(document, file=path)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(
            Fault(file=path, problem="does not exist", remedy="Give the report.json of a run")
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(Fault(file=path, problem="is not UTF-8 text", remedy=_AGAIN)) from error
    except OSError as error:
        raise InputError(
            Fault(
                file=path,
                problem=f"cannot be read: {error.strerror}",
                remedy="Give the report.json of a run",
            )
        ) from error


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
