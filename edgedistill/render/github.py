"""The gate's result for GitHub: annotations as workflow commands, and the job summary.

Commands are written as "Workflow commands for GitHub Actions" in GitHub's documentation tells and
as `packages/core/src/command.ts` of actions/toolkit does it; no name can end one or begin another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from edgedistill.render.escaping import table, told
from edgedistill.render.gate_cases import cases, worst_first
from edgedistill.render.gate_text import tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.gate_document import GateDocument
    from edgedistill.render.gate_cases import Case, State

Level = Literal["error", "warning", "notice"]

_LEVELS: dict[State, Level] = {"FAIL": "error", "UNJUDGED": "error", "WARNING": "warning"}
_SHOWN = 10
"""Annotations of one level that GitHub shows for a step; it drops the rest without a word."""
_SUMMARY_BYTES = 900_000
"""Below the mebibyte that GitHub takes as a step's summary."""
_SIGNS: dict[State, str] = {"PASS": "✅", "FAIL": "❌", "UNJUDGED": "❔", "WARNING": "⚠️"}


def command(level: Level, title: str, message: str) -> str:
    r"""One workflow command on one line.

    >>> command("error", "a: b, c", "50 %\n::notice::x")
    '::error title=a%3A b%2C c::50 %25%0A::notice::x'
    """
    return f"::{level} title={_property(title)}::{_data(message)}"


def commands(document: GateDocument) -> tuple[str, ...]:
    """A command for each case that is no PASS, FAIL first, and one notice where there is none.

    Where there are more of a level than GitHub shows, the last one says how many are left.
    """
    listed = worst_first(cases(document))
    told_so: list[str] = []
    levels: tuple[Level, ...] = ("error", "warning")
    for level in levels:
        told_so += _of_level(level, [one for one in listed if _LEVELS.get(one.state) == level])
    if not told_so:
        told_so = [command("notice", f"edgedistill gate: {document.headline}", tally(document))]
    return tuple(told_so)


def _of_level(level: Level, listed: list[Case]) -> Iterator[str]:
    shown = listed if len(listed) <= _SHOWN else listed[: _SHOWN - 1]
    for case in shown:
        yield command(level, f"{case.state} {case.suite}: {case.name}", case.message)
    if left := len(listed) - len(shown):
        yield command(level, "edgedistill gate", f"{left} more stand in the job's summary and log")


def summary(document: GateDocument) -> str:
    """The job summary in Markdown: the outcome, the counts, and a table with a row for each case.

    Rows that would make it longer than GitHub takes are counted instead.
    """
    listed = worst_first(cases(document))
    head = f"## edgedistill gate: {document.headline}\n\n{told(tally(document))}\n\n"
    room = _SUMMARY_BYTES - len(head.encode())
    rows = []
    for case in listed:
        words = (case.suite, case.name, case.message)
        row = (f"{_SIGNS[case.state]} {case.state}", *map(told, words))
        room -= len(" | ".join(row).encode()) + 8
        if room < 0:
            break
        rows.append(row)
    left = len(listed) - len(rows)
    more = f"\n\n{left} more stand in the log." if left else ""
    return f"{head}{table(('Outcome', 'Target', 'Check', 'Why'), rows)}{more}\n"


def inert(text: str) -> str:
    r"""Text for the log of a job in which the runner finds no command, whatever names it holds.

    The runner takes a line for a command that begins with `::`, or that holds `##[` anywhere.

    >>> print(inert("  ::error::x\na ##[error]b"))
      : :error::x
    a ## [error]b
    """
    lines = text.replace("##[", "## [").split("\n")
    return "\n".join(_not_leading(line) for line in lines)


def _not_leading(line: str) -> str:
    bare = line.lstrip()
    return line.replace("::", ": :", 1) if bare.startswith("::") else line


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
