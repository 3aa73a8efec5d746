from __future__ import annotations

from typing import Any

import pytest
from judged_reports import SHIPPED, TEACHER, conditions, quantity
from pydantic import ValidationError

from edgedistill.core.evidence import Evidence, counted
from edgedistill.core.relative_latency import RelativeLatency, of_the_same_file

NAME = "latency_p50_ms"


def relative(**changes: Any) -> RelativeLatency:
    fields: dict[str, Any] = {
        "model_sha256": SHIPPED,
        "baseline_sha256": TEACHER,
        "ratios": {NAME: quantity(1.2)},
        "starts": 16,
        "conditions": conditions(),
    }
    return RelativeLatency(**(fields | changes))


def test_a_file_is_as_fast_as_itself() -> None:
    found = of_the_same_file(SHIPPED, [NAME, "latency_p95_ms"])
    assert [one.value for one in found.ratios.values()] == [1.0, 1.0]
    assert relative().ratios[NAME].value == 1.2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baseline_sha256": SHIPPED}, "ratios of such files are counted"),
        ({"ratios": {NAME: counted(1.0, "x")}}, "are measured-on-device"),
        ({"ratios": {NAME: quantity(1.2, Evidence.EMULATED)}}, "are measured-on-device"),
        ({"starts": 0}, "belong to a measurement"),
        ({"conditions": None}, "belong to a measurement"),
        ({"ratios": {}}, "at least 1"),
        (
            {"baseline_sha256": SHIPPED, "ratios": {NAME: counted(0.5, "x")}, "starts": 0},
            "of a file to itself is 1",
        ),
    ],
)
def test_a_ratio_is_measured_of_two_files_or_known_of_one(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        relative(**changes)
