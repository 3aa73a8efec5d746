"""Results of the gate to render: plain ones, and any that there can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from edgedistill.core.figure import Evidence, Figure
from edgedistill.core.gate_document import CheckRecord, GateDocument, TargetRecord
from edgedistill.core.verdict import Outcome, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

FIGURE = Figure(
    value=4.2,
    low=3.9,
    high=4.5,
    confidence=0.99,
    evidence=Evidence.MEASURED_ON_DEVICE,
    samples=200,
    method="order statistics",
)
HOSTILE = (
    "a\n::error::x",
    "##[error]x",
    "a%0A::set-output name=x::y",
    "<script>alert(1)</script>",
    "a | b | c",
    "]]>",
    "\x1b[2J\x00\ufffe",
    "\u202eabc",
    "\r::add-mask::x",
    "`x` **x** [x](http://x)",
)
"""Names that would be commands, markup or control characters if they were not escaped."""


def check(outcome: Outcome, *, budget: str = "latency_p95_ms", **changes: Any) -> CheckRecord:
    fields: dict[str, Any] = {
        "limit": 5.0,
        "side": "at most",
        "unit": "ms",
        "figure": FIGURE,
        "reason": f"The reason of {budget}",
    }
    return CheckRecord(budget=budget, outcome=outcome, **(fields | changes))


def record(run: str, target: str, checks: Sequence[CheckRecord]) -> TargetRecord:
    outcome = worst([one.outcome for one in checks if not one.warned])
    return TargetRecord(run=run, target=target, outcome=outcome, checks=tuple(checks))


def document(
    *checks: CheckRecord, target: str = "host", run: str = "demo", doubts: tuple[str, ...] = ()
) -> GateDocument:
    """A gate over one target, which ends as its checks say."""
    return gate([record(run, target, checks)], doubts)


def gate(records: Sequence[TargetRecord], doubts: Sequence[str] = ()) -> GateDocument:
    """Warnings do not decide, but something has to have been judged."""
    outcomes = [Outcome.UNJUDGED for _ in doubts]
    for one in records:
        outcomes += [two.outcome for two in one.checks if not two.warned]
        outcomes += [] if one.checks else [Outcome.UNJUDGED]
    outcome = worst(outcomes)
    return GateDocument(
        outcome=outcome,
        exit_code=outcome.exit_code,
        warnings=sum(two.warned for one in records for two in one.checks),
        targets=tuple(records),
        doubts=tuple(doubts),
    )


texts = st.one_of(st.text(max_size=30), st.sampled_from(HOSTILE)).filter(
    lambda text: text.encode("utf-8", "replace").decode() == text
)
checks = st.builds(
    lambda outcome, text, warns, **rest: check(
        outcome, budget=text, reason=text, warned=warns and outcome is Outcome.UNJUDGED, **rest
    ),
    st.sampled_from(Outcome),
    texts,
    st.booleans(),
    figure=st.sampled_from([None, FIGURE]),
    limit=st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    unit=st.sampled_from(["ms", "fraction", "x"]),
)
documents = st.builds(
    gate,
    st.lists(st.builds(record, texts, texts, st.lists(checks, max_size=4)), max_size=3),
    st.lists(texts, max_size=2),
)
