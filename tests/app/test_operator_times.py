from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill import estimate
from edgedistill.app.operator_times import estimated_times
from edgedistill.core.evidence import Evidence

if TYPE_CHECKING:
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
    found = estimate(finished.model("jetson-orin-nano"), "raspberry-pi-5")
    assert found.latency_ms is not None
    times = estimated_times(found, "int8")
    assert times is not None
    together = sum(one.time_ms.value for one in times.classes)
    assert together == pytest.approx(found.latency_ms.value)
    assert sum(one.count for one in times.classes) == len(found.operators)
    assert times.classes[0].time_ms.value == max(one.time_ms.value for one in times.classes)
    int8 = {one.operators: one.int8 for one in times.classes}
    assert int8["convolution"] > 0
    assert int8.get("conversion", 0) == 0
    for one in times.classes:
        assert (one.time_ms.low, one.time_ms.high) == (0, found.latency_ms.high)
        assert one.time_ms.evidence == Evidence.ESTIMATED


def test_without_an_estimate_there_are_no_times(finished: CompressionRun) -> None:
    jetson = finished.reports["jetson-orin-nano"]
    assert jetson.rows[0].latency is None
    assert jetson.operator_times == ()
    away = estimate(finished.model("jetson-orin-nano"), "jetson-orin-nano")
    assert estimated_times(away, "int8") is None
