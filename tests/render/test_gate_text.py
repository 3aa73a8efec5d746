from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gate_documents import check, document, documents
from hypothesis import given, settings

from edgedistill.core.verdict import Outcome
from edgedistill.render.gate_text import gate_text

if TYPE_CHECKING:
    from edgedistill.core.gate_document import GateDocument

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def test_a_pass_is_told_line_by_line() -> None:
    found = document(check(Outcome.PASS), check(Outcome.PASS, budget="max_size_mb"))
    assert gate_text(found).splitlines() == [
        "host",
        "  PASS     latency_p95_ms: The reason of latency_p95_ms",
        "  PASS     max_size_mb: The reason of max_size_mb",
        "2 checks passed.",
        "PASS",
    ]


def test_what_is_open_is_counted_apart_and_a_warning_is_no_pass() -> None:
    found = document(
        check(Outcome.PASS),
        check(Outcome.UNJUDGED, budget="max_energy_mj", warned=True),
        doubts=("runs/x: the run is not complete",),
    )
    lines = gate_text(found).splitlines()
    assert "  WARNING  max_energy_mj: The reason of max_energy_mj" in lines
    assert "  UNJUDGED runs/x: the run is not complete" in lines
    assert lines[-2].startswith(
        "1 check could not be judged, 1 could not be judged and only warned, 1 passed."
    )
    assert lines[-1] == "UNJUDGED with 1 warning"


@given(documents)
@settings(max_examples=30, deadline=None)
def test_any_result_ends_with_its_outcome_and_steers_no_terminal(found: GateDocument) -> None:
    text = gate_text(found)
    assert text.splitlines()[-1] == found.headline
    assert not CONTROL.search(text)
