"""A user's own measurements of a device, as a CSV file beside the models."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edgedistill.app.network_operators import listed_network
from edgedistill.core.basis import runtime_named
from edgedistill.core.profile import Precision
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.profile import TargetProfile

REQUIRED = ("model", "precision", "threads", "latency_ms")
OPTIONAL = ("runtime", "percentile", "family")
_PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_MEDIAN = ("", "50", "p50")


@dataclass(frozen=True, kw_only=True)
class OwnMeasurement:
    """One line of the file."""

    line: int
    """Where it stands in the file, counted from 1."""
    model: Path
    """The ONNX file, or a network of a file of operator lists."""
    name: str
    """As the file names it."""
    runtime: str
    precision: Precision
    threads: int
    latency_ms: float
    family: str
    """Networks that resemble each other share one."""


def read_measurements(
    file: Path, profile: TargetProfile, *, runtime: str
) -> tuple[OwnMeasurement, ...]:
    """All measurements of a file.

    Args:
        file: CSV with a header: model (the path of an ONNX file, relative to this one, or
            `FILE.json#NETWORK` of a file of operator lists), precision, threads,
            latency_ms (the median); optionally runtime, percentile (50 only) and family.
        profile: The device they were taken on.
        runtime: That of lines which name none.

    Raises:
        InputError: With all faults of all lines.
    """
    text = _text(file)
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise InputError(
            Fault(
                file=file,
                field=f"line {reader.line_num}",
                problem=f"is no CSV that can be read: {error}",
                remedy="Save it as plain CSV",
            )
        ) from error
    head = [cell.strip() for _, cells in lines[:1] for cell in cells]
    faults = list(_header_faults(file, head))
    if not faults and len(lines) < 2:
        faults.append(
            Fault(file=file, problem="holds no measurement", remedy="Add a line a measurement")
        )
    if faults:
        raise InputError(*faults)
    found: list[OwnMeasurement] = []
    for number, cells in lines[1:]:
        line = _Line(file, number, profile)
        one = line.measurement(head, cells, runtime)
        faults += line.faults
        if one is not None:
            found.append(one)
    if faults:
        raise InputError(*faults)
    return tuple(found)


def family_of(model: str) -> str:
    """The family of a network by its file's name: what stands before depth, width and size.

    >>> family_of("zoo/resnet50.onnx"), family_of("mobilenet_v2_0.5.onnx"), family_of("yolov8n")
    ('resnet', 'mobilenet_v2', 'yolov8')
    """
    listed = listed_network(model)
    stem = listed[1].lower() if listed else Path(model).stem.lower()
    found = re.match(r"\d*[a-z]+?(?:[-_]?v\d+|(?=[^a-z]|$))", stem)
    return found[0] if found else stem


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(
            Fault(file=file, problem="is not a file", remedy="Give a CSV file of measurements")
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            Fault(file=file, problem="is not UTF-8 text", remedy="Save it as UTF-8")
        ) from error


def _header_faults(file: Path, head: list[str]) -> Iterator[Fault]:
    known = (*REQUIRED, *OPTIONAL)
    for name in dict.fromkeys(head):
        if name not in known:
            yield Fault(
                file=file,
                field="line 1",
                given=repr(name),
                problem="is not a known column",
                remedy=f"Known columns: {', '.join(known)}",
            )
        elif head.count(name) > 1:
            yield Fault(
                file=file,
                field="line 1",
                given=repr(name),
                problem="is a column that stands twice",
                remedy="Keep one of the two",
            )
    missing = [name for name in REQUIRED if name not in head]
    if missing:
        yield Fault(
            file=file,
            field="line 1",
            problem=f"lacks the column {', '.join(missing)}",
            remedy=f"Begin the file with: {','.join(REQUIRED)}",
        )


class _Line:
    """Reads one line and collects what is wrong with it."""

    def __init__(self, file: Path, number: int, profile: TargetProfile) -> None:
        self.file = file
        self.number = number
        self.profile = profile
        self.faults: list[Fault] = []

    def measurement(self, head: list[str], cells: list[str], runtime: str) -> OwnMeasurement | None:
        if len(cells) != len(head):
            self._refuse(
                None, str(len(cells)), "has another number of cells", f"Give {len(head)} cells"
            )
            return None
        row = dict(zip(head, map(str.strip, cells), strict=True))
        name = self._runtime(row.get("runtime") or runtime)
        precision = self._precision(row["precision"], name)
        threads = self._threads(row["threads"])
        latency_ms = self._latency_ms(row["latency_ms"])
        model = self._model(row["model"])
        if row.get("percentile", "") not in _MEDIAN:
            self._refuse(
                "percentile",
                row["percentile"],
                "is not the median, which is what estimates speak of",
                "Give the median (50)",
            )
        if self.faults or not (name and precision and threads and latency_ms and model):
            return None
        return OwnMeasurement(
            line=self.number,
            model=model,
            name=row["model"],
            runtime=name,
            precision=precision,
            threads=threads,
            latency_ms=latency_ms,
            family=row.get("family") or family_of(row["model"]),
        )

    def _refuse(self, column: str | None, given: str, problem: str, remedy: str) -> None:
        where = f"line {self.number}" + (f": {column}" if column else "")
        self.faults.append(
            Fault(file=self.file, field=where, given=repr(given), problem=problem, remedy=remedy)
        )

    def _runtime(self, text: str) -> str | None:
        known = [*self.profile.runtimes, *self.profile.converted_runtimes]
        if text in known:
            return text
        self._refuse(
            "runtime",
            text,
            f"is not a runtime of {self.profile.name}",
            f"Choose one of: {', '.join(known)}",
        )
        return None

    def _precision(self, text: str, runtime: str | None) -> Precision | None:
        known = _PRECISIONS
        if runtime is not None:
            known = runtime_named(self.profile, runtime).precisions
        for one in known:
            if one == text:
                return one
        what = "a precision" if text not in _PRECISIONS else f"a precision of {runtime} here"
        self._refuse("precision", text, f"is not {what}", f"Choose one of: {', '.join(known)}")
        return None

    def _threads(self, text: str) -> int | None:
        cores = sum(cluster.count for cluster in self.profile.clusters)
        if text.isdecimal() and text.isascii() and 1 <= int(text) <= (cores or int(text)):
            return int(text)
        upper = f" to {cores}" if cores else " on"
        self._refuse(
            "threads", text, "is not a number of threads", f"Give a whole number from 1{upper}"
        )
        return None

    def _latency_ms(self, text: str) -> float | None:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isfinite(value) and value > 0:
            return value
        self._refuse("latency_ms", text, "is not a latency", "Give milliseconds, more than 0")
        return None

    def _model(self, text: str) -> Path | None:
        path = self.file.parent / text
        listed = listed_network(path)
        if text and (listed[0] if listed else path).is_file():
            return path
        self._refuse(
            "model", text, "is not a file", "Give the path of an ONNX file, relative to the CSV"
        )
        return None
