"""JSON is the truth: reports, baselines and device reports, written canonically, read strictly."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from edgedistill.core.baseline import Baseline
from edgedistill.core.device_report import DeviceReport
from edgedistill.core.json_file import BASELINE, REPORT, Sort, read_json
from edgedistill.core.manifest import Manifest
from edgedistill.core.report import Report
from edgedistill.errors import PromiseError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.strict import Strict


_DEVICE_REPORT = Sort(
    "edgedistill-device-report",
    "an edgedistill device report",
    1,
    "Give the file that edgedistill benchmark --device-report wrote",
)
_MANIFEST = Sort(
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
    return Report.read(read_json(path, REPORT), file=path)


def read_baseline(path: Path) -> Baseline:
    """Reads a baseline that a repository keeps.

    Raises:
        InputError: As `read_report`.
    """
    return Baseline.read(read_json(path, BASELINE), file=path)


def read_device_report(path: Path) -> DeviceReport:
    """Reads what was measured where the device is.

    Raises:
        InputError: As `read_report`, and if a figure was not measured on the device itself.
    """
    return DeviceReport.read(read_json(path, _DEVICE_REPORT), file=path)


def read_manifest(path: Path) -> Manifest:
    """Reads what lists the files of a run.

    Raises:
        InputError: As `read_report`, and if a path in it could lead out of its folder.
    """
    return Manifest.read(read_json(path, _MANIFEST), file=path)
