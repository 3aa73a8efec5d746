from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill import estimate
from edgedistill.app.operator_times import estimated_times
from edgedistill.core.evidence import Evidence
from tests.conftest import write_convolutions

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill import CompressionRun


def test_the_report_says_where_the_time_of_teacher_and_what_ships_goes(
    finished: CompressionRun,
) -> None:
    host = finished.reports["host"]
    shipped = host.shipped()
    assert [one.network for one in host.operator_times] == [
        "teacher",
        shipped.variant or shipped.step,
    ]
    for one in host.operator_times:
        counts = {time.operators: time.count for time in one.classes}
        assert counts["convolution"] >= 4
        assert counts["matrix product"] == 1
        assert {time.time_ms.evidence for time in one.classes} == {Evidence.MEASURED_ON_DEVICE}
        assert all(time.time_ms.samples == 10 for time in one.classes)
    int8 = sum(time.int8 for time in host.operator_times[1].classes)
    assert (int8 > 0) == (shipped.precision == "int8")
    assert not any(time.int8 for time in host.operator_times[0].classes)


def test_where_the_device_is_away_the_estimate_is_shared_out(finished: CompressionRun) -> None:
    times = finished.reports["jetson-orin-nano"].operator_times
    rows = finished.reports["jetson-orin-nano"].rows
    assert bool(times) == (rows[0].latency is not None)
