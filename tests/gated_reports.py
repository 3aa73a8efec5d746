"""Reports for a gate to judge: one network, with the figures that a test names."""

from __future__ import annotations

from typing import Any

from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Conditions, Evidence, Quantity, counted
from edgedistill.core.report import Choice, Latency, Provenance, Report, Row, Worst


def quantity(
    low: float,
    value: float,
    high: float,
    *,
    evidence: Evidence = Evidence.MEASURED_ON_DEVICE,
    samples: int = 100,
) -> Quantity:
    return Quantity(
        value=value,
        low=low,
        high=high,
        confidence=0.95,
        evidence=evidence,
        samples=samples,
        method="test",
    )


def build_report(
    *,
    p50: Quantity | None = None,
    p90: Quantity | None = None,
    p95: Quantity | None = None,
    accuracy: Quantity | None = None,
    drop: Quantity | None = None,
    worst_class: Quantity | None = None,
    worst_group: Quantity | None = None,
    size_mb: float = 0.5,
    peak_memory: Quantity | None = None,
    energy: Quantity | None = None,
    **changes: Any,
) -> Report:
    stable = changes.pop("stable", True)
    row = Row(
        step="int8",
        precision="int8",
        model_sha256="0" * 64,
        accuracy=accuracy or quantity(0.88, 0.9, 0.92, evidence=Evidence.MEASURED_ON_STAND_IN),
        test_accuracy=None,
        accuracy_drop=drop,
        agreement=None,
        worst_class=worst_class and Worst(name="cat", drop=worst_class),
        worst_group=worst_group and Worst(name="left", drop=worst_group),
        latency=p50 and Latency(p50_ms=p50, p90_ms=p90, p95_ms=p95, stable=stable),
        size_mb=counted(size_mb, "bytes of the file"),
        macs=counted(1e6, "graph"),
        parameters=counted(1e5, "graph"),
        peak_memory_mb=peak_memory,
        energy_mj=energy,
    )
    fields: dict[str, Any] = {
        "schema_version": 1,
        "run": "demo",
        "target": "host",
        "target_title": "This machine",
        "runtime": "cpu",
        "budget": Budget(),
        "rows": (row,),
        "choice": Choice(step="int8", model="model.onnx", decided=True, reason="fastest"),
        "conditions": Conditions(
            device="host",
            processor="a processor",
            machine="x86_64",
            runtime="onnxruntime 1.31.1",
            provider="CPUExecutionProvider",
            threads=1,
            operating_system="Linux",
        ),
        "class_names": ("cat", "dog"),
        "preprocessing": {},
        "provenance": Provenance(
            recipe_sha256="1" * 64,
            data_sha256="2" * 64,
            data_source="sklearn:digits",
            seed=0,
            versions={},
            steps={},
        ),
    }
    return Report(**(fields | changes))
