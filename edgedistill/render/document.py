"""JSON is the truth: reports, baselines and device reports, written canonically, read strictly."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.core.baseline import Baseline
from edgedistill.core.device_report import DeviceReport
from edgedistill.core.manifest import Manifest
from edgedistill.core.report import Report
from edgedistill.errors import Fault, InputError, PromiseError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.strict import Strict

KIND = "edgedistill-report"
SCHEMA_VERSION = 2
_AGAIN = "Run the command that made it again"


@dataclass(frozen=True)
class _Sort:
    """A sort of document, as far as its reader must know it."""

    kind: str
    title: str
    """With its article, for a person."""
    newest: int
    """The newest schema version that is read."""
    give: str
    """What to give instead of another file."""


_REPORT = _Sort(KIND, "an edgedistill report", SCHEMA_VERSION, "Give the report.json of a run")
_BASELINE = _Sort(
    "edgedistill-baseline",
    "an edgedistill baseline",
    1,
    "Give the file that edgedistill baseline wrote",
)
_DEVICE_REPORT = _Sort(
    "edgedistill-device-report",
    "an edgedistill device report",
    1,
    "Give the file that edgedistill benchmark --device-report wrote",
)
_MANIFEST = _Sort(
    "edgedistill-manifest",
    "an edgedistill manifest",
    1,
    "Give a folder below targets/ of a run, or the run folder",
)


def report_text(report: Strict) -> str:
    """A report, or another document, as canonical JSON: keys sorted, two spaces, a newline.

    Raises:
        PromiseError: If the document holds a number that is not finite, or no plain value.
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
    return _RUNG.sub(r'{"confidence": \1, "high": \2, "low": \3}', text) + "\n"


_RUNG = re.compile(r'\{\n *"confidence": (\S+),\n *"high": (\S+),\n *"low": (\S+)\n *\}')
"""An interval at a higher confidence, which reads best on one line. Text in JSON has no line breaks
of its own, so nothing else looks like it."""


def read_report(path: Path) -> Report:
    """Reads a report that was written here or elsewhere.

    Raises:
        InputError: If the file is missing, cut off, not JSON, holds NaN or a key twice, is no
            report, comes from a newer edgedistill, or does not fit the schema.
    """
    return Report.read(_document(path, _REPORT), file=path)


def read_baseline(path: Path) -> Baseline:
    """Reads a baseline that a repository keeps.

    Raises:
        InputError: As `read_report`.
    """
    return Baseline.read(_document(path, _BASELINE), file=path)


def read_device_report(path: Path) -> DeviceReport:
    """Reads what was measured where the device is.

    Raises:
        InputError: As `read_report`, and if a figure was not measured on the device itself.
    """
    return DeviceReport.read(_document(path, _DEVICE_REPORT), file=path)


def read_manifest(path: Path) -> Manifest:
    """Reads what lists the files of a run.

    Raises:
        InputError: As `read_report`, and if a path in it could lead out of its folder.
    """
    return Manifest.read(_document(path, _MANIFEST), file=path)


def read_kind(path: Path) -> str | None:
    """The kind that a JSON document says it is; None where it says none.

    Raises:
        InputError: If the file is missing, cut off or not JSON.
    """
    document = _parse(_read_text(path, _REPORT), path)
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def _document(path: Path, sort: _Sort) -> dict[str, Any]:
    document = _parse(_read_text(path, sort), path)
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


def _read_text(path: Path, sort: _Sort) -> str:
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
