"""A diagnosis as a page for a person: what the file is, then the findings, the worst first."""

from __future__ import annotations

import textwrap
from pathlib import PurePath
from typing import TYPE_CHECKING

from edgedistill.render.estimate import WIDTH, milliseconds
from edgedistill.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgedistill.core.findings import Cost, Diagnosis, Finding

_MOST = 6
"""Operators or tensors of a finding told by name."""
_LONGEST = 80
"""Characters of a name; a hostile one may have a million."""
_PARTS = {
    "latency": "of the latency",
    "macs": "of the multiply-accumulates",
    "elements": "of the numbers read and written",
    "weight-bytes": "of the weights' bytes",
}


def diagnosis_page(found: Diagnosis) -> str:
    """The file, how much of it runs in int8, and all findings."""
    lines = [*_head(found), ""]
    if not found.findings:
        lines.append("Nothing found.")
    for finding in found.findings:
        lines += [*_entry(finding), ""]
    while not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"


def _head(found: Diagnosis) -> Iterator[str]:
    macs = "" if found.macs is None else f" · {format_count(found.macs)} multiply-accumulates"
    yield f"{_named(PurePath(found.model).name)} on {found.target_title}, {found.runtime}{macs}"
    yield (
        f"  {found.operators} operators, opset {found.opset}, IR version {found.ir_version}, "
        f"{found.size_mb:.3g} MB"
    )
    latency = found.latency_ms
    if latency is None:
        yield from _wrapped(f"Not estimated: {_plain(found.latency_reason or 'unknown')}", 2)
    else:
        yield (
            f"  Estimated at {milliseconds(latency.value)} ({milliseconds(latency.low)} to "
            f"{milliseconds(latency.high)}, {100 * latency.confidence:.3g} %)"
        )
    int8 = found.int8
    total = int8.int8_operators + int8.float_operators
    part = "" if int8.macs_fraction is None else f", {_percent(int8.macs_fraction)} of their work"
    seen = (
        "in the graph that the runtime really runs"
        if int8.verified == "in-runtime"
        else "by the quantizers in the file; unverified"
    )
    yield f"  In int8: {int8.int8_operators} of {total} heavy operators{part} ({seen})"
    if found.runtime_reason is not None and int8.verified != "in-runtime":
        yield from _wrapped(f"Runtime not asked: {_plain(found.runtime_reason)}", 2)


def _entry(finding: Finding) -> Iterator[str]:
    cost = "" if finding.cost is None else f" · {_cost(finding.cost)}"
    yield f"{finding.severity.upper():6} {finding.code}{cost}"
    problem = _plain(finding.problem)
    yield from _wrapped(f"{problem[:1].upper()}{problem[1:]}.", 2)
    yield from _names("Operators", finding.operators)
    yield from _names("Tensors", finding.tensors)
    yield from _wrapped(f"Remedy: {_plain(finding.remedy)}.", 2)


def _cost(cost: Cost) -> str:
    share = f"{_percent(cost.share_fraction)} {_PARTS[cost.of]}"
    taken = cost.latency_ms
    if taken is None:
        return share
    return (
        f"{share}, {milliseconds(taken.value)} "
        f"({milliseconds(taken.low)} to {milliseconds(taken.high)})"
    )


def _percent(fraction: float) -> str:
    """A share with as many figures as it is worth.

    >>> _percent(0.1234), _percent(0.00123)
    ('12 %', '0.12 %')
    """
    return f"{100 * fraction:.0f} %" if fraction >= 0.1 else f"{100 * fraction:.2g} %"


def _names(what: str, names: Sequence[str]) -> Iterator[str]:
    if not names:
        return
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    yield from _wrapped(f"{what}: {', '.join(map(_named, names[:_MOST]))}{more}", 2)


def _named(name: str) -> str:
    shown = _plain(name)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + "..."


def _plain(text: str) -> str:
    """Text without characters that could steer a terminal: names come from anybody's file."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2)
    )
