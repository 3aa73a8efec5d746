"""Sweeps: a recipe's one student becomes several, one for each value of what is varied.

`student.args.width=8,16` sets an argument to each value; `student.depth=1,2` is short for
`student.args.depth=1,2`. The short `student.width` also takes widths relative to the student's own:
`student.width=0.25,0.5,1` makes students a quarter as wide, half as wide and as wide as it is,
while a whole number above 1 is the width itself. Several sweeps make every combination.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.catalog.yaml_file import parse_yaml
from edgedistill.core.naming import plain_name, told_apart
from edgedistill.core.recipe import RESERVED
from edgedistill.core.teacher import Model
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OPTION = "--sweep"
_EXAMPLE = "Write for instance --sweep student.width=0.25,0.5,1"


@dataclass(frozen=True)
class _Axis:
    """What is varied, and its values."""

    key: str
    """As it was written."""
    place: tuple[str, ...]
    """Where it stands in a student."""
    values: tuple[tuple[str, Any], ...]
    """Each value as it was written and as YAML reads it."""


def swept(document: Mapping[str, Any], sweeps: Iterable[str]) -> dict[str, Any]:
    """The recipe with a list of students in place of its one.

    Args:
        document: The recipe as YAML gives it, settings laid over it.
        sweeps: As `student.key=value,value`.

    Raises:
        InputError: If a sweep is not of that form or of nothing a student has, the recipe has no
            student or several already, or two combinations come to the same student.
    """
    axes = [_axis(sweep) for sweep in sweeps]
    student = _to_vary(document) if axes else None
    if student is None:
        return dict(document)
    for place, axis in enumerate(axes):
        if axis.place in [other.place for other in axes[:place]]:
            raise _refused(axis.key, "is varied twice", "Give all of its values in one sweep")
    combinations = list(itertools.product(*(axis.values for axis in axes)))
    students = [_varied(student, axes, [value for _, value in one]) for one in combinations]
    for place, one in enumerate(students):
        if one in students[:place]:
            given = " and ".join(
                ",".join(text for text, _ in combinations[which])
                for which in (students.index(one), place)
            )
            raise _refused(given, "come to the same student", "Give values that differ")
    names = told_apart([_name(axes, one) for one in combinations], taken=RESERVED)
    named = [{**one, "name": name} for one, name in zip(students, names, strict=True)]
    return {**document, "student": named}


def _axis(sweep: str) -> _Axis:
    key, equals, text = sweep.partition("=")
    texts = [part.strip() for part in text.split(",")]
    if not equals or not all(key.split(".")) or not all(texts):
        raise _refused(sweep, "is not of the form student.key=value,value", _EXAMPLE)
    root, *place = key.split(".")
    if len(place) == 1 and place[0] not in (*Model.model_fields, "name"):
        place = ["args", *place]
    known = place in (["source"], ["weights"]) or (len(place) == 2 and place[0] == "args")
    if root != "student" or not known:
        remedy = "Sweep student.source, student.weights or student.args.NAME"
        raise _refused(key, "is not a key of the student that can be varied", remedy)
    values = [parse_yaml(part, file=f"{_OPTION} {key}") for part in texts]
    for part, value in zip(texts, values, strict=True):
        if value is None or isinstance(value, list | dict):
            raise _refused(part, "is not a plain value", _EXAMPLE, field=key)
    return _Axis(key, tuple(place), tuple(zip(texts, values, strict=True)))


def _to_vary(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The recipe's one student; None where what stands there is for the schema to refuse."""
    student = document.get("student")
    if student is None:
        problem = "varies the student, but the recipe has none"
        raise _refused(None, problem, "Add student to the recipe")
    if isinstance(student, list):
        problem = "varies the one student of a recipe, but this one lists several already"
        raise _refused(None, problem, "Add to the list, or leave one student to vary")
    fits = isinstance(student, dict) and isinstance(student.get("args", {}), dict)
    return student if fits else None


def _varied(student: Mapping[str, Any], axes: list[_Axis], values: list[Any]) -> dict[str, Any]:
    varied = {**student, "args": dict(student.get("args", {}))}
    for axis, value in zip(axes, values, strict=True):
        if axis.place[0] != "args":
            varied[axis.place[0]] = value
        elif axis.key == "student.width":
            varied["args"]["width"] = _width(student, value)
        else:
            varied["args"][axis.place[1]] = value
    return varied


def _width(student: Mapping[str, Any], value: Any) -> Any:
    """A width as the student's source takes it, where it may be given relative to its own."""
    whole = isinstance(value, int)
    if isinstance(value, str | bool) or (whole and value > 1):
        return value
    if not (math.isfinite(value) and value > 0):
        problem = "is not a width"
        raise _refused(str(value), problem, "Give a number above 0", field="student.width")
    own = student.get("args", {}).get("width", _default_width(student))
    if isinstance(own, bool) or not isinstance(own, int | float):
        raise _refused(
            str(value),
            "is relative to the student's own width, which the recipe does not give",
            "Add student.args.width to the recipe, or sweep student.args.width itself",
            field="student.width",
        )
    return max(1, math.floor(own * value + 0.5)) if isinstance(own, int) else own * value


def _default_width(student: Mapping[str, Any]) -> Any:
    """The width of a built-in network that gives none; None for any other source."""
    kind, _, name = str(student.get("source")).partition(":")
    if kind != "builtin":
        return None
    from edgedistill.models import zoo  # brings torch, which the rest of this floor reads without

    return getattr(zoo.arguments(name, student.get("args", {})), "width", None)


def _name(axes: list[_Axis], chosen: tuple[tuple[str, Any], ...]) -> str:
    """Named after what is varied, for instance width-0.5-depth-2."""
    parts = []
    for axis, (text, _) in zip(axes, chosen, strict=True):
        if axis.place[0] == "args":
            parts.append(f"{axis.place[1]}-{text}")
        else:
            parts.append(text.rpartition(":")[2].rpartition("/")[2])
    return plain_name("-".join(parts))


def _refused(
    given: str | None, problem: str, remedy: str, *, field: str | None = None
) -> InputError:
    return InputError(Fault(file=_OPTION, field=field, given=given, problem=problem, remedy=remedy))
