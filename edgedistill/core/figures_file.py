"""The figures that a gate judges, read from a report file. Standard library only.

Of a report it reads what is judged and refuses what is wrong there; `Report.read` checks all of it.
Both give the same figures.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Literal

from edgedistill.core.figure import Evidence, Figure
from edgedistill.core.figures import CONDITIONS, Figures, Reference
from edgedistill.core.json_file import BASELINE, REPORT, read_json
from edgedistill.core.limits import EVERY, INT8_METHOD, INT8_SHARE, LIMITS, Bounds, int8_share
from edgedistill.core.plain_fields import Fields, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_EVIDENCE = ("measured", "estimated")


def read_figures(path: Path) -> Figures:
    """Reads what a report says of the model that ships.

    Raises:
        InputError: If the file is missing, cut off, not JSON, holds NaN or a key twice, is no
            report, comes from a newer edgedistill, or holds something wrong where it is read.
    """
    document = read_json(path, REPORT)
    fields = Fields(path)
    version = document.get("schema_version")
    if isinstance(version, bool) or version not in (1, 2):
        fields.fault("schema_version", "is no version of this schema", "Give 1 or 2", version)
    choice = fields.mapping(document, "", "choice") or {}
    step, model = (fields.text(choice, "choice", name) for name in ("step", "model"))
    _plain_file_name(fields, "choice.model", model)
    row, place = _shipped(fields, document, step)
    made = fields.mapping(document, "", "provenance") or {}
    figures = Figures(
        run=fields.text(document, "", "run"),
        target=fields.text(document, "", "target"),
        runtime=fields.text(document, "", "runtime"),
        model=model,
        model_sha256=fields.text(row, place, "model_sha256") if place else "",
        figures=_figures(fields, row, place),
        stable=_stable(fields, row, place),
        conditions=_conditions(fields, document),
        data_sha256=fields.text(made, "provenance", "data_sha256"),
        bounds=_bounds(fields, document),
    )
    fields.refuse_if_faulty()
    return figures


def read_reference(path: Path) -> Reference:
    """Reads what a baseline says of the model that later ones are held against.

    Raises:
        InputError: As `read_figures`.
    """
    document = read_json(path, BASELINE)
    fields = Fields(path)
    version = document.get("schema_version")
    if isinstance(version, bool) or version != 1:
        fields.fault("schema_version", "is no version of this schema", "Give 1", version)
    fields.known(document, "", required=_BASELINE_KEYS, optional={"model", "data_sha256"})
    sha256, data = document.get("model_sha256"), document.get("data_sha256")
    for name, found in (("model_sha256", sha256), ("data_sha256", data)):
        if found is None and name == "data_sha256":
            continue
        if not isinstance(found, str) or not _SHA256.fullmatch(found):
            fields.fault(name, "is no SHA-256", "Give 64 hexadecimal digits", found)
    model = document.get("model")
    if model is not None:
        _plain_file_name(fields, "model", model)
    named = fields.mapping(document, "", "figures") or {}
    figures = {name: fields.figure(found, f"figures.{name}") for name, found in named.items()}
    target = fields.text(document, "", "target")
    conditions = _conditions(fields, document)
    fields.refuse_if_faulty()
    return Reference(
        target=target,
        model_sha256=str(sha256),
        model=model,
        figures={name: figure for name, figure in figures.items() if figure is not None},
        conditions=conditions,
        data_sha256=data,
    )


_SHA256 = re.compile("[0-9a-f]{64}")
_BASELINE_KEYS = {
    "schema_version",
    "kind",
    "target",
    "run",
    "model_sha256",
    "figures",
    "conditions",
    "edgedistill_version",
}


_LONGEST_NAME = 255
"""Bytes, in the file systems of all our targets."""


def _plain_file_name(fields: Fields, place: str, name: object) -> None:
    """Refuses a name by which something else on the disk could be reached, on any system."""
    plain = (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and all(path.name == name for path in (PurePosixPath(name), PureWindowsPath(name)))
        and len(name.encode(errors="replace")) <= _LONGEST_NAME
    )
    if not plain:
        remedy = "Put the model beside the file and name it"
        fields.fault(place, "is not a plain file name", remedy, name)


def _shipped(
    fields: Fields, document: Mapping[str, Any], step: str
) -> tuple[Mapping[str, Any], str]:
    """The row of the model that ships, and where it stands; nothing where there is none."""
    rows = document.get("rows")
    if not isinstance(rows, list):
        fields.fault("rows", "is not a list", "Give a list", rows)
        return {}, ""
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            fields.fault(f"rows.{place}", "is not a mapping", "Give keys and values", row)
        elif row.get("step") == step:
            return row, f"rows.{place}"
    if step:
        fields.fault("choice", f"choice.step '{step}' has no row", "Run compress again")
    return {}, ""


def _figures(fields: Fields, row: Mapping[str, Any], place: str) -> dict[str, Figure]:
    """Every figure of a row that a limit can be set on."""
    found: dict[str, Figure] = {}
    for limit in LIMITS:
        whole: Any = row
        for name in limit.place:
            if whole is not None and not isinstance(whole, dict):
                fields.fault(
                    f"{place}.{limit.place[0]}", "is not a mapping", "Give keys and values", whole
                )
                whole = None
            whole = None if whole is None else whole.get(name)
        where = ".".join((place, *limit.place))
        if limit.budget == INT8_SHARE:
            figure = _int8_share(fields, row, whole, where)
        else:
            figure = None if whole is None else fields.figure(whole, where)
        if figure is not None:
            found[limit.budget] = figure
    return found


def _int8_share(fields: Fields, row: Mapping[str, Any], found: object, where: str) -> Figure | None:
    share = None if found is None else fields.number(found, where)
    if share is not None and not 0 <= share <= 1:
        fields.fault(where, "is not between 0 and 1", "Give a fraction", share)
        return None
    share = int8_share(row.get("precision"), share)
    if share is None:
        return None
    return Figure(
        value=share,
        low=share,
        high=share,
        confidence=1.0,
        evidence=Evidence.COUNTED,
        samples=1,
        method=INT8_METHOD,
    )


def _stable(fields: Fields, row: Mapping[str, Any], place: str) -> bool:
    latency = row.get("latency")
    if not isinstance(latency, dict):
        return True
    return fields.truth(latency, f"{place}.latency", "stable")


def _conditions(fields: Fields, document: Mapping[str, Any]) -> dict[str, object] | None:
    conditions = fields.mapping(document, "", "conditions", required=False)
    if conditions is None:
        return None
    for name in CONDITIONS:
        if name not in conditions:
            fields.fault(f"conditions.{name}", "is missing", "Add it")
    return {name: conditions.get(name) for name in CONDITIONS}


def _bounds(fields: Fields, document: Mapping[str, Any]) -> Bounds:
    """The report's own budget."""
    budget = fields.mapping(document, "", "budget") or {}
    limits: dict[str, float] = {}
    for name, given in budget.items():
        where = f"budget.{name}"
        if name == "evidence":
            continue
        if name not in EVERY:
            remedy = nearest(name, [*EVERY, "evidence"])
            fields.fault(where, "is not a known key", remedy, given)
        elif given is not None and (number := fields.number(given, where)) is not None:
            fault = EVERY[name].range_fault(number)
            if fault is not None:
                fields.fault(where, *fault, given)
            limits[name] = number
    given = budget.get("evidence", "measured")
    if given not in _EVIDENCE:
        fields.fault("budget.evidence", "is neither", f"Give {' or '.join(_EVIDENCE)}", given)
    evidence: Literal["measured", "estimated"] = "estimated" if given == "estimated" else "measured"
    return Bounds({name: limits[name] for name in EVERY if name in limits}, evidence)
