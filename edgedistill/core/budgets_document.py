"""The budgets file: what a CI server holds every target to. Standard library only.

```yaml
schema_version: 1
confidence: 0.95
targets:
  raspberry-pi-5:
    evidence: measured
    latency_p95_ms: 12 ms
    max_accuracy_drop: 2 %
    max_energy_mj: {limit: 30 mJ, on_unjudged: warn}
```

A limit is a number in the unit of its name, a fraction where it is a share, or text with that unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgedistill.core.limits import EVERY, Bounds
from edgedistill.core.plain_fields import Fields, nearest
from edgedistill.core.verdict import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.core.limits import Limit

_KEYS = ("schema_version", "confidence", "targets")
_LIMIT_KEYS = ("limit", "on_unjudged")
_EVIDENCE = ("measured", "estimated")
_WITH_UNIT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*?)?\s*", re.ASCII)


@dataclass(frozen=True)
class Budgets:
    """What is asked of every target."""

    targets: Mapping[str, Bounds]
    """Profile's name to its limits."""
    confidence: float = CONFIDENCE
    """That all checks of the gate hold at once."""


def budgets_of(document: object, *, file: str | Path) -> Budgets:
    """Validates a budgets file that was parsed into mappings, lists and plain values.

    Args:
        document: What a YAML reader gave.
        file: Where it came from, for errors.

    Raises:
        InputError: With one fault for each thing wrong in it.
    """
    fields = Fields(file)
    if not isinstance(document, dict):
        fields.fault("(whole file)", "is not a mapping", "Give keys and values", document)
        fields.refuse_if_faulty()
    assert isinstance(document, dict)
    _known(fields, document, "", _KEYS)
    version = document.get("schema_version")
    if isinstance(version, bool) or version != 1:
        remedy = "Give 1, or upgrade with: pip install --upgrade edgedistill"
        fields.fault("schema_version", "is no version of this schema", remedy, version)
    confidence = fields.number(document.get("confidence", CONFIDENCE), "confidence")
    if confidence is not None and not 0 < confidence < 1:
        fields.fault("confidence", "is no confidence", "Give one between 0 and 1", confidence)
    targets = fields.mapping(document, "", "targets") or {}
    if not targets and not fields.faults:
        fields.fault("targets", "names no target", "Give limits for one at least")
    found = {str(name): _bounds(fields, name, given) for name, given in targets.items()}
    fields.refuse_if_faulty()
    return Budgets(found, CONFIDENCE if confidence is None else confidence)


def _bounds(fields: Fields, target: object, given: object) -> Bounds:
    place = f"targets.{target}"
    if not isinstance(target, str):
        fields.fault(place, "is not a target's name", "Put it in quotes", target)
    if not isinstance(given, dict):
        fields.fault(place, "is not a mapping", "Give limits, each with its number", given)
        return Bounds()
    _known(fields, given, place, (*EVERY, "evidence"))
    limits, warn = {}, set()
    for name, limit in EVERY.items():
        if name not in given:
            continue
        number, on_unjudged = _asked(fields, limit, given[name], f"{place}.{name}")
        if number is not None:
            limits[name] = number
        if on_unjudged == "warn":
            warn.add(name)
    found = given.get("evidence", "measured")
    if found not in _EVIDENCE:
        fields.fault(f"{place}.evidence", "is neither", f"Give {' or '.join(_EVIDENCE)}", found)
    evidence: Literal["measured", "estimated"] = "estimated" if found == "estimated" else "measured"
    return Bounds(limits, evidence, frozenset(warn))


def _asked(fields: Fields, limit: Limit, given: object, place: str) -> tuple[float | None, object]:
    """The number of a limit, and what it means where it cannot be judged."""
    if not isinstance(given, dict):
        return _number(fields, limit, given, place), "fail"
    _known(fields, given, place, _LIMIT_KEYS)
    on_unjudged = given.get("on_unjudged", "fail")
    if on_unjudged not in ("fail", "warn"):
        fields.fault(f"{place}.on_unjudged", "is neither", "Give fail or warn", on_unjudged)
    if "limit" not in given:
        fields.fault(f"{place}.limit", "is missing", "Add it")
        return None, on_unjudged
    return _number(fields, limit, given["limit"], f"{place}.limit"), on_unjudged


def _number(fields: Fields, limit: Limit, given: object, place: str) -> float | None:
    before = len(fields.faults)
    number = _in_unit(fields, limit, given, place) if isinstance(given, str) else None
    if not isinstance(given, str):
        number = fields.number(given, place)
    if number is None or len(fields.faults) > before:
        return None
    fault = limit.range_fault(number)
    if fault is not None:
        fields.fault(place, *fault, given)
        return None
    return number


def _in_unit(fields: Fields, limit: Limit, given: str, place: str) -> float | None:
    """The number of a text such as "12 ms", which has to be in the limit's own unit."""
    parts = _WITH_UNIT.fullmatch(given)
    example = f'"{"2" if limit.unit == "%" else "12"} {limit.unit}"'
    if parts is None:
        remedy = f"Give a number, or one with its unit such as {example}"
        fields.fault(place, "is not a number", remedy, given)
        return None
    written, unit = parts.groups()
    if unit != limit.unit:
        problem = f"has no unit, and text needs {limit.unit}"
        if unit:
            problem = f"is in {unit}, and this limit is in {limit.unit}"
        fields.fault(place, problem, f"Give it in {limit.unit}, for instance {example}", given)
        return None
    number = fields.number(float(written), place)
    return None if number is None else number / limit.scale


def _known(fields: Fields, given: Mapping[Any, Any], place: str, known: tuple[str, ...]) -> None:
    lead = f"{place}." if place else ""
    for key in given:
        if key not in known:
            remedy = nearest(str(key), known)
            fields.fault(f"{lead}{key}", "is not a known key", remedy, given[key])
