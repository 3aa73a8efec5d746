"""The gate's result as a document (`edgedistill-gate`): the truth that every view of it shows.

Plain records, so that a gate starts without the machinery of strict documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from edgedistill.core.figure import Figure  # noqa: TC001  # pydantic reads the annotations
from edgedistill.core.verdict import CONFIDENCE, Outcome

_STRICT = {"extra": "forbid", "allow_inf_nan": False, "use_attribute_docstrings": True}
"""For pydantic, which prints the schema; writing a document does without it, to start quickly."""


@dataclass(frozen=True, kw_only=True)
class CheckRecord:
    """One budget held against one figure."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    budget: str
    """The budget's name, for instance latency_p95_ms."""
    title: str = ""
    """What is limited, for a person."""
    outcome: Outcome
    """PASS: the whole interval is inside; FAIL: wholly outside; UNJUDGED: it could not be told."""
    warned: bool = False
    """Whether UNJUDGED only warns here, because the budget says so; it is no PASS all the same."""
    limit: float | None
    """The limit in `unit`; a limit touched exactly is kept. Absent where it is not a number."""
    side: Literal["at most", "at least"]
    """On which side of the limit the figure has to lie."""
    unit: str
    """Unit of limit and figure, for instance ms; fraction for accuracies between 0 and 1."""
    figure: Figure | None
    """The figure with its interval, confidence and evidence; absent where there is none, or where
    it is not a finite interval."""
    reason: str
    """One sentence a person understands, with what would settle it where it is UNJUDGED."""


@dataclass(frozen=True, kw_only=True)
class TargetRecord:
    """All checks of one target."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    run: str
    """The name of the run whose report was judged."""
    target: str
    """The target's profile."""
    file: str | None = None
    """The report that was judged; absent where it was not read from a file."""
    outcome: Outcome
    """FAIL before UNJUDGED before PASS, warnings left out; UNJUDGED where nothing was judged."""
    checks: tuple[CheckRecord, ...]
    """One for each limit that is set."""


@dataclass(frozen=True, kw_only=True)
class GateDocument:
    """What `edgedistill gate` found, and how it ended."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    kind: Literal["edgedistill-gate"] = "edgedistill-gate"
    """What this document is."""
    schema_version: Literal[1] = 1
    """Version of this schema."""
    outcome: Outcome
    """Of everything together: FAIL before UNJUDGED before PASS, warnings left out."""
    exit_code: int
    """What the shell saw: 0 PASS, 1 FAIL, 2 bad input, 3 UNJUDGED."""
    warnings: int = 0
    """How many checks could not be judged and only warned."""
    confidence: float = CONFIDENCE
    """That all checks on measurements hold at once; a figure's own is what it was judged at."""
    targets: tuple[TargetRecord, ...]
    """The verdicts, in the order in which the reports were given."""
    doubts: tuple[str, ...] = ()
    """What could not be judged at all, each with what would settle it; with exit code 2 the faults
    of the input."""

    @property
    def headline(self) -> str:
        """The outcome in a few words: never only PASS where something could not be judged."""
        if not self.warnings:
            return str(self.outcome)
        return f"{self.outcome} with {self.warnings} warning{'' if self.warnings == 1 else 's'}"
