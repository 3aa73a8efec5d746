"""The verdict of the gate: three outcomes, and each check says what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edgedistill.core.figure import Figure


CONFIDENCE = 0.95
"""Of a whole gate, unless its budgets file says otherwise."""


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
    """One limit held against one figure."""

    budget: str
    """The budget's field, for instance latency_p95_ms."""
    limit: float
    """In the unit; a fraction where the unit is %."""
    outcome: Outcome
    figure: Figure | None
    """What was held against the limit, with the interval at the confidence it was judged at; of a
    limit against a baseline the ratio or difference. None where there is none."""
    reason: str
    """One sentence a person understands, with what would settle it where it is UNJUDGED."""
    title: str = ""
    """What is limited, for a person."""
    unit: str = ""
    """Of figure and limit: ms, MB, mJ, instructions, x for a ratio, % for a fraction."""
    side: Literal["at most", "at least"] = "at most"
    """On which side of the limit the figure has to be."""
    warns: bool = False
    """Whether it is UNJUDGED and its budget says that this is a warning only."""


@dataclass(frozen=True)
class Verdict:
    """All checks of one target."""

    run: str
    target: str
    checks: tuple[Check, ...]
    confidence: float = CONFIDENCE
    """That all checks of the gate hold at once."""
    each: float = CONFIDENCE
    """That each check on measurements holds, so that all do (Bonferroni)."""
    file: str | None = None
    """The report that was judged; absent where it was not read from a file."""

    @property
    def outcome(self) -> Outcome:
        """FAIL if any check failed, UNJUDGED if any could not be judged or none was.

        What only warns is left out, and is shown beside the outcome.
        """
        return worst([check.outcome for check in self.checks if not check.warns])
