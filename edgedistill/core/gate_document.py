"""The gate's result as a document (`edgedistill-gate`): the truth that every view of it shows.

Plain records, so that a gate starts without the machinery of strict documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from edgedistill.core.figure import Figure  # noqa: TC001  # pydantic reads the annotations
from edgedistill.core.verdict import Outcome  # noqa: TC001

_STRICT = {"extra": "forbid", "allow_inf_nan": False, "use_attribute_docstrings": True}
"""For pydantic, which prints the schema; writing a document does without it, to start quickly."""


@dataclass(frozen=True, kw_only=True)
class CheckRecord:
    """One budget held against one figure."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    budget: str
    """The budget's name, for instance latency_p95_ms."""
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
    outcome: Outcome
    """FAIL before UNJUDGED before PASS; UNJUDGED where no limit is set."""
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
    """Of everything together: FAIL before UNJUDGED before PASS."""
    exit_code: int
    """What the shell saw: 0 may pass, 1 FAIL, 2 bad input, 3 UNJUDGED."""
    confidence: float = 0.95
    """That all checks on measurements hold at once; a figure's own is what it was judged at."""
    targets: tuple[TargetRecord, ...]
    """The verdicts, in the order in which the reports were given."""
    doubts: tuple[str, ...] = ()
    """What could not be judged at all, each with what would settle it; with exit code 2 the faults
    of the input."""
