"""Small reports to be judged: a teacher and the model that ships, with what a test changes."""

from __future__ import annotations

from typing import Any

from edgedistill.core.budget import Budget
from edgedistill.core.device_report import DeviceReport
from edgedistill.core.evidence import Conditions, Evidence, Quantity, counted
from edgedistill.core.report import (
    Candidate,
    Choice,
    Latency,
    Provenance,
    Report,
    Row,
    Step,
    StudentResult,
)

SHIPPED = "a" * 64
TEACHER = "b" * 64


def quantity(value: float, evidence: Evidence = Evidence.MEASURED_ON_DEVICE) -> Quantity:
    return Quantity(
        value=value,
        low=0.95 * value,
        high=1.05 * value,
        confidence=0.95,
        evidence=evidence,
        samples=300,
        method="test",
    )


def conditions(device: str = "board", **changes: Any) -> Conditions:
    fields: dict[str, Any] = {
        "device": device,
        "processor": "a processor",
        "machine": "aarch64",
        "runtime": "onnxruntime 1.31.1",
        "provider": "CPUExecutionProvider",
        "threads": 1,
        "operating_system": "Linux",
    }
    return Conditions(**(fields | changes))


def row(step: Step, sha256: str, **changes: Any) -> Row:
    fields: dict[str, Any] = {
        "step": step,
        "precision": "int8" if step == "int8" else "fp32",
        "model_sha256": sha256,
        "accuracy": quantity(0.9, Evidence.MEASURED_ON_STAND_IN),
        "test_accuracy": None,
        "accuracy_drop": None,
        "agreement": None,
        "worst_class": None,
        "worst_group": None,
        "latency": Latency(p50_ms=quantity(4.0, Evidence.ESTIMATED), stable=True),
        "size_mb": counted(0.5, "bytes of the file"),
        "macs": counted(1e6, "graph"),
        "parameters": counted(1e5, "graph"),
        "energy_mj": quantity(9.0, Evidence.ESTIMATED),
    }
    return Row(**(fields | changes))


def report(
    *, sha256: str = SHIPPED, shipped: dict[str, Any] | None = None, **changes: Any
) -> Report:
    """The report of a target whose device is not at hand: latency and energy are estimated."""
    own = row("int8", sha256, **(shipped or {}))
    fields: dict[str, Any] = {
        "schema_version": 2,
        "run": "demo",
        "target": "board",
        "target_title": "A board",
        "runtime": "cpu",
        "budget": Budget(latency_p50_ms=3.0, max_size_mb=1.0),
        "rows": (row("teacher", TEACHER), own),
        "choice": Choice(step="int8", model="model.onnx", decided=True, reason="fastest"),
        "conditions": None,
        "class_names": ("cat", "dog"),
        "preprocessing": {},
        "provenance": Provenance(
            recipe_sha256="1" * 64,
            data_sha256="2" * 64,
            data_source="sklearn:digits",
            seed=0,
            versions={"edgedistill": "1.0"},
            steps={},
        ),
    }
    return Report(**(fields | changes))


def with_students_and_candidates() -> Report:
    """The same, of two students; the one that ships had two candidates."""
    whole = report()
    shipped = whole.shipped().model_copy(update={"variant": "int8-U8S8"})
    other = row("pruned", "c" * 64, variant="fp32")
    candidates = tuple(
        Candidate(
            name=str(one.variant),
            precision=one.precision or "fp32",
            model=f"waterfall/{one.variant}.onnx",
            row=one,
            keeps_accuracy=True,
            ships=one is shipped,
            reason="a reason",
        )
        for one in (other, shipped)
    )
    choice = whole.choice.model_copy(update={"student": "small", "variant": "int8-U8S8"})
    students = (
        StudentResult(
            name="small", rows=(shipped,), choice=choice, on_front=True, candidates=candidates
        ),
        StudentResult(
            name="wide",
            rows=(row("int8", "d" * 64),),
            choice=whole.choice.model_copy(update={"student": "wide"}),
            on_front=True,
        ),
    )
    return report(
        rows=(whole.rows[0], shipped), choice=choice, candidates=candidates, students=students
    )


def device_report(**changes: Any) -> DeviceReport:
    fields: dict[str, Any] = {
        "schema_version": 1,
        "kind": "edgedistill-device-report",
        "target": "board",
        "model_sha256": SHIPPED,
        "inputs": "real",
        "conditions": conditions(),
        "latency": Latency(p50_ms=quantity(2.0), p90_ms=quantity(2.2), stable=True),
        "versions": {"edgedistill": "1.0"},
    }
    return DeviceReport(**(fields | changes))
