"""The gate's result for a terminal or a log: a line for each case, then how it ended."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from edgedistill.render.gate_cases import cases, counts

if TYPE_CHECKING:
    from edgedistill.core.gate_document import CheckRecord, GateDocument
    from edgedistill.render.gate_cases import State

_WORDS: dict[State, str] = {
    "FAIL": "failed",
    "UNJUDGED": "could not be judged",
    "WARNING": "could not be judged and only warned",
    "PASS": "passed",
}


def gate_text(document: GateDocument) -> str:
    """Plain text without colours: cases by target, the counts, and the outcome as the last line."""
    listed = cases(document)
    lines = []
    for suite, group in groupby(listed, key=lambda case: case.suite):
        lines.append(suite)
        lines += [f"  {case.state:8} {case.name}: {case.message}" for case in group]
    return "\n".join([*lines, tally(document), document.headline])


def tally(document: GateDocument) -> str:
    """How many checks ended how, and what to do where it was no PASS.

    Returns:
        One sentence or two, for instance `1 check failed, 4 passed.`
    """
    found = counts(cases(document))
    first, *others = (f"{number} {_WORDS[state]}" for state, number in found.items())
    number, words = first.split(" ", maxsplit=1)
    noun = "check" if number == "1" else "checks"
    sentence = f"{', '.join([f'{number} {noun} {words}', *others])}."
    open_cases = {"UNJUDGED", "WARNING"} & found.keys()
    return f"{sentence} {_SETTLE}" if open_cases else sentence


_SETTLE = "What would settle an open check stands at the end of its line."


def figure_lines(check: CheckRecord) -> list[str]:
    r"""The numbers behind a check, one kind a line: limit, figure, evidence, method.

    >>> from edgedistill.core.gate_document import CheckRecord
    >>> from edgedistill.core.evidence import counted
    >>> from edgedistill.core.figure import Figure
    >>> size = Figure.of(counted(2.5, "bytes of the file"))
    >>> print(*figure_lines(CheckRecord(budget="max_size_mb", outcome="FAIL", limit=1.0,
    ...     side="at most", unit="MB", figure=size, reason="")), sep="\n")
    limit: at most 1 MB
    figure: 2.5 MB (exact)
    evidence: counted, 1 sample
    method: bytes of the file
    """
    limit = "not a number" if check.limit is None else _written(check.limit, check.unit)
    lines = [f"limit: {check.side} {limit}"]
    figure = check.figure
    if figure is None:
        return [*lines, "figure: none"]
    value, low, high = (
        _written(number, check.unit) for number in (figure.value, figure.low, figure.high)
    )
    interval = f"{low} to {high} at {100 * figure.confidence:.6g} % confidence"
    return [
        *lines,
        f"figure: {value} ({'exact' if figure.exact else interval})",
        f"evidence: {figure.evidence}, {figure.samples} sample{'' if figure.samples == 1 else 's'}",
        f"method: {figure.method}",
    ]


def _written(number: float, unit: str) -> str:
    """A number in its unit; a fraction in percent.

    >>> _written(0.025, "fraction"), _written(4.0, "ms")
    ('2.5 %', '4 ms')
    """
    return f"{100 * number:.6g} %" if unit == "fraction" else f"{number:.6g} {unit}"
