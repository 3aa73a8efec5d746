"""The verdict of the gate: three outcomes, and each check says what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgedistill.core.evidence import Quantity


class Outcome(StrEnum):
    """PASS: inside for sure. FAIL: outside for sure. UNJUDGED: could not be told."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNJUDGED = "UNJUDGED"

    @property
    def exit_code(self) -> int:
        """What a shell sees: 0, 1 or 3."""
        return {"PASS": 0, "FAIL": 1, "UNJUDGED": 3}[self.value]


def worst(outcomes: list[Outcome]) -> Outcome:
    """FAIL before UNJUDGED before PASS; nothing judged is UNJUDGED.

    >>> worst([Outcome.PASS, Outcome.UNJUDGED])
    <Outcome.UNJUDGED: 'UNJUDGED'>
    >>> worst([])
    <Outcome.UNJUDGED: 'UNJUDGED'>
    """
    for outcome in (Outcome.FAIL, Outcome.UNJUDGED):
        if outcome in outcomes:
            return outcome
    return Outcome.PASS if outcomes else Outcome.UNJUDGED


@dataclass(frozen=True)
class Check:
    """One budget held against one figure."""

    budget: str
    """The budget's name, for instance latency_p95_ms."""
    limit: float
    outcome: Outcome
    figure: Quantity | None
    reason: str
    """One sentence a person understands, with what would settle it where it is UNJUDGED."""


@dataclass(frozen=True)
class Verdict:
    """All checks of one target."""

    run: str
    target: str
    checks: tuple[Check, ...]

    @property
    def outcome(self) -> Outcome:
        """FAIL if any check failed, UNJUDGED if any could not be judged or there is none."""
        return worst([check.outcome for check in self.checks])
