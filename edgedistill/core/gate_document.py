"""The gate's result as a document (`edgedistill-gate`): the truth that every view of it shows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgedistill.core.evidence import Quantity
from edgedistill.core.strict import Strict
from edgedistill.core.verdict import Outcome


class CheckRecord(Strict):
    """One budget held against one figure."""

    budget: str
    """The budget's name, for instance latency_p95_ms."""
    outcome: Outcome = Field(strict=False)
    """PASS: the whole interval is inside; FAIL: wholly outside; UNJUDGED: it could not be told."""
    warned: bool = False
    """Whether UNJUDGED only warns here, because the budget says so; it is no PASS all the same."""
    limit: float | None
    """The limit in `unit`; a limit touched exactly is kept. Absent where it is not a number."""
    side: Literal["at most", "at least"]
    """On which side of the limit the figure has to lie."""
    unit: str
    """Unit of limit and figure, for instance ms; fraction for accuracies between 0 and 1."""
    figure: Quantity | None
    """The figure with its interval, confidence and evidence; absent where there is none, or where
    it is not a finite interval."""
    reason: str
    """One sentence a person understands, with what would settle it where it is UNJUDGED."""


class TargetRecord(Strict):
    """All checks of one target."""

    run: str
    """The name of the run whose report was judged."""
    target: str
    """The target's profile."""
    outcome: Outcome = Field(strict=False)
    """FAIL before UNJUDGED before PASS; UNJUDGED where no limit is set."""
    checks: tuple[CheckRecord, ...] = Field(strict=False)
    """One for each limit that is set."""


class GateDocument(Strict):
    """What `edgedistill gate` found, and how it ended."""

    kind: Literal["edgedistill-gate"] = "edgedistill-gate"
    """What this document is."""
    schema_version: Literal[1] = 1
    """Version of this schema."""
    outcome: Outcome = Field(strict=False)
    """Of everything together: FAIL before UNJUDGED before PASS."""
    exit_code: int = Field(ge=0, le=3)
    """What the shell saw: 0 may pass, 1 FAIL, 2 bad input, 3 UNJUDGED."""
    targets: tuple[TargetRecord, ...] = Field(strict=False)
    """The verdicts, in the order in which the reports were given."""
    doubts: tuple[str, ...] = Field(default=(), strict=False)
    """What could not be judged at all, each with what would settle it; with exit code 2 the faults
    of the input."""
