"""The gate's result as a flat list of cases: what every view of it shows, and never less.

A target without a limit, a report that could not be judged and a gate over nothing at all are
cases of their own, so that no view can look clean where the exit code is not 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgedistill.core.verdict import Outcome
from edgedistill.render.escaping import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgedistill.core.gate_document import CheckRecord, GateDocument, TargetRecord

State = Literal["PASS", "FAIL", "UNJUDGED", "WARNING"]
"""How a case ended; WARNING is UNJUDGED where the budget says that this only warns."""

_ORDER: tuple[State, ...] = ("FAIL", "UNJUDGED", "WARNING", "PASS")

WHOLE = "gate"
"""What stands for the target where a case belongs to none."""
_LONGEST = 2000
"""Characters of one message that are told."""


@dataclass(frozen=True)
class Case:
    """One thing that was judged, or could not be."""

    suite: str
    """The target, with its run where several runs judge the same target; on one line."""
    name: str
    """The budget, or what could not be judged; on one line."""
    state: State
    message: str
    """One sentence a person understands, on one line."""
    check: CheckRecord | None = None
    """The numbers behind it, where there are any."""


def cases(document: GateDocument) -> tuple[Case, ...]:
    """All cases of a gate's result, in its order; at least one is not PASS unless it may pass."""
    listed = [case for record in document.targets for case in _target(record, document)]
    listed += [_doubt(text, document.exit_code) for text in document.doubts]
    if not listed:
        listed.append(_case(WHOLE, "reports", "UNJUDGED", "There was no report to judge"))
    elif document.exit_code != 0 and not {"FAIL", "UNJUDGED"} & counts(listed).keys():
        message = f"The gate is {document.outcome}: warnings alone make no PASS"
        listed.append(_case(WHOLE, "outcome", "UNJUDGED", message))
    return tuple(listed)


def _target(record: TargetRecord, document: GateDocument) -> Iterator[Case]:
    suite = record.target
    if [other.target for other in document.targets].count(suite) > 1:
        suite = f"{suite} ({record.run})"
    for check in record.checks:
        state: State = "WARNING" if _warns(check) else check.outcome.value
        yield _case(suite, check.budget, state, check.reason, check)
    if not record.checks:
        message = "No limit is set, so nothing was judged. Give the target a budget"
        yield _case(suite, "budget", "UNJUDGED", message)


def _warns(check: CheckRecord) -> bool:
    return check.warned and check.outcome is Outcome.UNJUDGED


def _doubt(text: str, exit_code: int) -> Case:
    """A doubt reads `place: what and what to do`; its place names the case."""
    place, colon, words = text.partition(": ")
    name, message = (place, words) if colon else ("report", text)
    return _case(WHOLE, f"{name} (bad input)" if exit_code == 2 else name, "UNJUDGED", message)


def _case(
    suite: str, name: str, state: State, message: str, check: CheckRecord | None = None
) -> Case:
    return Case(_short(suite, 200), _short(name, 200), state, _short(message, _LONGEST), check)


def _short(text: str, longest: int) -> str:
    shown = visible(text) or "(empty)"
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def worst_first(listed: Sequence[Case]) -> list[Case]:
    """The cases by how they ended, the worst first; those that ended alike stay in their order."""
    return sorted(listed, key=lambda case: _ORDER.index(case.state))


def counts(listed: Sequence[Case]) -> dict[State, int]:
    """How many cases ended how, without what did not occur, the worst first."""
    found = {state: sum(case.state == state for case in listed) for state in _ORDER}
    return {state: number for state, number in found.items() if number}
