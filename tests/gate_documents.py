"""Results of the gate to render: plain ones, and any that there can be."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from edgedistill.core.figure import Evidence, Figure
from edgedistill.core.gate_document import CheckRecord, GateDocument, TargetRecord
from edgedistill.core.verdict import Outcome, worst

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


def document(
    *checks: CheckRecord, target: str = "host", run: str = "demo", doubts: tuple[str, ...] = ()
) -> GateDocument:
    """A gate over one target, which ends as its checks say."""
    outcome = worst([one.outcome for one in checks if not one.warned])
    record = TargetRecord(run=run, target=target, outcome=outcome, checks=checks)
    return gate([record], doubts)


def gate(records: list[TargetRecord], doubts: tuple[str, ...] = ()) -> GateDocument:
    outcome = worst([record.outcome for record in records] + [Outcome.UNJUDGED for _ in doubts])
    return GateDocument(
        outcome=outcome, exit_code=outcome.exit_code, targets=tuple(records), doubts=doubts
    )


texts = st.one_of(st.text(max_size=30), st.sampled_from(HOSTILE)).filter(
    lambda text: text.encode("utf-8", "replace").decode() == text
)
check_records = st.builds(
    check,
    st.sampled_from(Outcome),
    budget=texts,
    reason=texts,
    figure=st.sampled_from([None, FIGURE]),
    limit=st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
)
target_records = st.builds(
    lambda run, target, checks: TargetRecord(
        run=run, target=target, outcome=worst([one.outcome for one in checks]), checks=tuple(checks)
    ),
    texts,
    texts,
    st.lists(check_records, max_size=4),
)
documents = st.builds(
    lambda records, doubts: gate(records, tuple(doubts)),
    st.lists(target_records, max_size=3),
    st.lists(texts, max_size=2),
)
