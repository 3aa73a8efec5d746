"""Writes what a fit found: shapes as files of their own, scales into the profiles of devices.

The profiles are written by hand and keep every line of it, comments included: only the `cost` block
at the end of a runtime is put in or replaced. Writing twice gives the same bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml

from edgedistill.core.profile import TargetProfile
from edgedistill.core.shape_document import ShapeDocument
from edgedistill.core.strict import Strict, plain

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.fitted import FittedCost

_DIGITS = 4
_WIDTH = 90
_HEAD = "# Written by benchmarks/cost_fit/fit.py from published measurements; do not edit.\n"


def write_shape(document: ShapeDocument, targets: Path) -> Path:
    """Writes a shape to `targets/shapes/NAME.yaml` and reads it back.

    Args:
        document: The shape; figures are rounded to four significant digits.
        targets: The folder of the profiles.
    """
    file = targets / "shapes" / f"{document.name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(_HEAD + _dumped(document, 0), encoding="utf-8")
    ShapeDocument.read(yaml.safe_load(file.read_text(encoding="utf-8")), file=file)
    return file


def write_cost(profile: Path, runtime: tuple[str, str], precision: str, cost: FittedCost) -> None:
    """Puts fitted parameters into a profile and leaves all else as it stands.

    Args:
        profile: The YAML file.
        runtime: `runtimes` or `converted_runtimes`, and the runtime's name.
        precision: Whose parameters these are; those of other precisions are kept.
        cost: The parameters; figures are rounded to four significant digits.
    """
    text = profile.read_text(encoding="utf-8")
    before = yaml.safe_load(text)
    entry = before[runtime[0]][runtime[1]]
    costs = {**entry.get("cost", {}), precision: rounded(cost)}
    entry["cost"] = {name: costs[name] for name in sorted(costs)}
    block = _dumped({"cost": entry["cost"]}, 4).splitlines()
    lines = text.splitlines()
    start, end = _span(lines, runtime)
    kept = _without_cost(lines[start:end])
    written = "\n".join([*lines[:start], *kept, *block, *lines[end:]]) + "\n"
    if yaml.safe_load(written) != before:
        raise ValueError(f"{profile.name}: the cost block of {runtime[1]} does not fit in")
    TargetProfile.read(yaml.safe_load(written), file=profile)
    profile.write_text(written, encoding="utf-8")


def rounded(value: Any) -> Any:
    """Plain values with floats at four significant digits; what is absent or empty is left out.

    >>> rounded({"a": 0.123456, "b": None, "c": [1234567.0], "d": {}})
    {'a': 0.1235, 'c': [1235000.0]}
    """
    if isinstance(value, Strict):
        return rounded(plain(value))
    if isinstance(value, dict):
        parts = {key: rounded(item) for key, item in value.items()}
        return {key: item for key, item in parts.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, float) and value != 0:
        return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))
    return value


class _Dumper(yaml.SafeDumper):
    """Short lists on one line, long ones indented below their key, as the profiles have it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow=flow, indentless=False)


def _represented(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    short = all(isinstance(one, int) or (isinstance(one, str) and len(one) < 30) for one in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=short)


_Dumper.add_representer(list, _represented)


def _dumped(value: Any, indent: int) -> str:
    text = yaml.dump(
        rounded(value), Dumper=_Dumper, sort_keys=False, width=_WIDTH - indent, allow_unicode=True
    )
    return "".join(" " * indent + line for line in text.splitlines(keepends=True))


def _span(lines: list[str], runtime: tuple[str, str]) -> tuple[int, int]:
    """First line behind the runtime's name, and the line behind its last."""
    section = lines.index(f"{runtime[0]}:")
    start = lines.index(f"  {runtime[1]}:", section) + 1
    end = start
    for place in range(start, len(lines)):
        line = lines[place]
        if line.strip() and len(line) - len(line.lstrip()) <= 2:
            break
        if line.strip():
            end = place + 1
    return start, end


def _without_cost(lines: list[str]) -> list[str]:
    """The lines of a runtime without its cost block."""
    if "    cost:" not in lines:
        return lines
    first = lines.index("    cost:")
    behind = next(
        (
            place
            for place in range(first + 1, len(lines))
            if lines[place].startswith("    ") and lines[place][4] not in " -"
        ),
        len(lines),
    )
    return [*lines[:first], *lines[behind:]]
