from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.baseline import Baseline
from edgedistill.core.device_report import DeviceReport
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.errors import InputError

CONDITIONS: dict[str, Any] = {
    "device": "board",
    "processor": "a processor",
    "machine": "aarch64",
    "runtime": "onnxruntime 1.31.1",
    "provider": "CPUExecutionProvider",
    "threads": 2,
    "operating_system": "Linux",
}


def figure(**changes: Any) -> dict[str, Any]:
    return {
        "value": 2.0,
        "low": 1.9,
        "high": 2.1,
        "confidence": 0.95,
        "evidence": "measured-on-device",
        "samples": 300,
        "method": "test",
    } | changes


def device_report(**changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "kind": "edgedistill-device-report",
        "target": "board",
        "model_sha256": "0" * 64,
        "inputs": "real",
        "conditions": CONDITIONS,
        "latency": {"p50_ms": figure(), "stable": True},
        "energy_mj": figure(),
        "versions": {"edgedistill": "1"},
    } | changes


def test_a_device_report_names_each_of_its_figures() -> None:
    report = DeviceReport.read(device_report(), file="d")
    assert set(report.figures) == {"latency.p50_ms", "energy_mj"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"energy_mj": figure(evidence="estimated")}, "energy_mj is estimated"),
        ({"instructions": figure(evidence="emulated")}, "instructions is emulated"),
        (
            {"latency": {"p50_ms": figure(evidence="measured-on-stand-in"), "stable": True}},
            "latency.p50_ms is measured-on-stand-in",
        ),
        ({"conditions": CONDITIONS | {"device": "other"}}, "not of 'board'"),
        ({"latency": None, "energy_mj": None}, "holds no figure"),
        (
            {"latency": {"p50_ms": figure(), "speedup": figure(), "stable": True}},
            "no second model",
        ),
        ({"model_sha256": "0" * 63}, "model_sha256"),
        ({"schema_version": 2}, "schema_version"),
        ({"energy_mj": figure(value=float("nan"))}, "not a finite number"),
        ({"energy_mj": figure(value=3.0)}, "does not hold the value"),
    ],
)
def test_a_device_report_holds_what_its_device_measured_or_is_refused(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        DeviceReport.read(device_report(**changes), file="d")
    assert words in str(caught.value)


def baseline(**changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "kind": "edgedistill-baseline",
        "target": "board",
        "run": "demo",
        "model_sha256": "0" * 64,
        "model": "board.onnx",
        "figures": {"max_size_mb": counted(0.5, "bytes").model_dump()},
        "conditions": None,
        "edgedistill_version": "1",
    } | changes


def test_a_baseline_holds_figures_by_the_name_of_their_budget() -> None:
    held = Baseline.read(baseline(), file="b").figures["max_size_mb"]
    assert isinstance(held, Quantity)
    assert held.evidence is Evidence.COUNTED


@pytest.mark.parametrize(
    "name", ["../m.onnx", "/m.onnx", "a/m.onnx", "", ".", "..", "C:\\m.onnx", "a\\m.onnx"]
)
def test_a_baseline_names_a_model_beside_itself_only(name: str) -> None:
    with pytest.raises(InputError, match="plain file name"):
        Baseline.read(baseline(model=name), file="b")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"figures": {"Latency P50": figure()}}, "figures"),
        ({"figures": {"latency_p50_ms": figure(low=float("-inf"))}}, "not a finite number"),
        ({"model_sha256": "g" * 64}, "model_sha256"),
        ({"figure": {}}, "Did you mean 'figures'"),
    ],
)
def test_a_baseline_that_is_not_whole_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        Baseline.read(baseline(**changes), file="b")
    assert words in str(caught.value)
