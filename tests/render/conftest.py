from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Conditions, Evidence, Quantity, Wider, counted
from edgedistill.core.report import (
    Candidate,
    Choice,
    Int8Check,
    Latency,
    Provenance,
    Report,
    Row,
    Step,
    StudentResult,
    Worst,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def quantity(
    low: float, value: float, high: float, evidence: Evidence = Evidence.MEASURED_ON_DEVICE
) -> Quantity:
    return Quantity(
        value=value,
        low=low,
        high=high,
        confidence=0.95,
        evidence=evidence,
        samples=300,
        method="Wilson 1927",
        wider=(Wider(confidence=0.999, low=low, high=high),),
    )


def row(step: Step, *, worst_name: str = "cat", measured: bool = True, stable: bool = True) -> Row:
    first = step == "teacher"
    return Row(
        step=step,
        precision="int8" if step == "int8" else "fp32",
        model_sha256="a" * 64,
        accuracy=quantity(0.90, 0.925, 0.94),
        test_accuracy=quantity(0.89, 0.915, 0.93),
        accuracy_drop=None if first else quantity(-0.002, 0.004, 0.01),
        agreement=None if first else quantity(0.96, 0.97, 0.98),
        worst_class=None if first else Worst(name=worst_name, drop=quantity(0.0, 0.02, 0.05)),
        worst_group=None,
        latency=Latency(
            p50_ms=quantity(1.9, 2.0, 2.1),
            p90_ms=quantity(2.1, 2.2, 2.3),
            speedup=None if first else quantity(4.5, 5.0, 5.5),
            stable=stable,
        )
        if measured
        else None,
        size_mb=counted(0.123456, "bytes of the file"),
        macs=counted(4_652_008, "graph"),
        parameters=counted(78_042, "graph"),
        int8=Int8Check(
            scheme="U8S8",
            int8_operators=9,
            float_operators=1,
            float_names=("conv_head",),
            verified="in-runtime",
        )
        if step == "int8"
        else None,
    )


def asked_teacher() -> Row:
    """A teacher behind an endpoint: answers without a file."""
    absent = ("precision", "model_sha256", "size_mb", "macs", "parameters")
    return Row(**{**dict(row("teacher", measured=False)), **dict.fromkeys(absent)})


def build(*, worst_name: str = "cat", measured: bool = True, **changes: Any) -> Report:
    stable = changes.pop("stable", True)
    steps: tuple[Step, ...] = ("teacher", "distilled", "pruned", "int8")
    fields: dict[str, Any] = {
        "schema_version": 1,
        "run": "demo",
        "target": "host",
        "target_title": "This machine",
        "runtime": "cpu",
        "budget": Budget(latency_p50_ms=3.0, min_accuracy=0.95, max_worst_group_drop=0.1),
        "rows": tuple(
            row(step, worst_name=worst_name, measured=measured, stable=stable) for step in steps
        ),
        "choice": Choice(step="int8", model="model.onnx", decided=True, reason="It is fastest"),
        "conditions": Conditions(
            device="host",
            processor="a processor",
            machine="x86_64",
            isa_flags=("avx512_vnni",),
            runtime="onnxruntime 1.31.1",
            provider="CPUExecutionProvider",
            threads=1,
            operating_system="Linux",
        )
        if measured
        else None,
        "class_names": ("cat", "dog"),
        "preprocessing": {"kind": "array", "scale": 0.0625},
        "notes": ("The teacher was trained by this run",),
        "provenance": Provenance(
            recipe_sha256="b" * 64,
            data_sha256="c" * 64,
            data_source="sklearn:digits",
            seed=7,
            versions={"onnxruntime": "1.31.1"},
            steps={"teacher": "d" * 64},
        ),
    }
    return Report(**(fields | changes))


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    return build


@pytest.fixture(scope="session")
def make_asked_report() -> Callable[..., Report]:
    """A report whose teacher is behind an endpoint."""

    def make(report: Report) -> Report:
        document = {**dict(report), "rows": (asked_teacher(), *report.rows[1:])}
        return Report(**document)

    return make


def build_students(
    *,
    names: tuple[str, str] = ("small", "wide"),
    measured: bool = True,
    slowest_ms: float = 4.0,
    **changes: Any,
) -> Report:
    """A report with two students, of which the first ships."""

    def network(step: Step, accuracy: float, median_ms: float) -> Row:
        figures: dict[str, Any] = {
            "accuracy": quantity(accuracy - 0.01, accuracy, accuracy + 0.01),
            "macs": counted(1e6 * median_ms, "graph"),
        }
        if measured:
            taken = quantity(0.9 * median_ms, median_ms, 1.1 * median_ms)
            figures["latency"] = Latency(p50_ms=taken, stable=True)
        return row(step, measured=measured).model_copy(update=figures)

    own = {
        names[0]: (network("distilled", 0.8, 1.2), network("int8", 0.8, 1.0)),
        names[1]: (network("distilled", 0.9, 2.0), network("int8", 0.88, 1.5)),
    }
    students = tuple(
        StudentResult(
            name=name,
            rows=rows,
            choice=Choice(
                step="int8", model=f"waterfall/{name}/int8.onnx", decided=True, reason="faster"
            ),
            on_front=True,
        )
        for name, rows in own.items()
    )
    fields: dict[str, Any] = {
        "rows": (network("teacher", 0.95, slowest_ms), *students[0].rows),
        "choice": Choice(
            step="int8", model="model.onnx", decided=True, reason="It is fastest", student=names[0]
        ),
        "students": students,
    }
    return build(measured=measured, **(fields | changes))


@pytest.fixture(scope="session")
def make_students() -> Callable[..., Report]:
    return build_students


def build_candidates(*, evidence: Evidence = Evidence.MEASURED_ON_DEVICE, **changes: Any) -> Report:
    """A report whose last network has four candidates, of which one could not be made."""
    fp32, other = row("pruned"), row("int8").model_copy(update={"variant": "int8-U8U8"})
    int8 = row("int8").model_copy(update={"variant": "int8-U8S8"})
    ratio = quantity(0.74, 0.76, 0.78, evidence)
    made = {"fp32": fp32, "int8-U8S8": int8, "int8-U8U8": other}
    candidates = [
        Candidate(
            name=name,
            precision=each.precision or "fp32",
            model=f"waterfall/{name}.onnx",
            row=each,
            speedup=None if name == "fp32" else ratio,
            keeps_accuracy=name != "int8-U8U8",
            ships=name == "fp32",
            reason="ships" if name == "fp32" else f"{name} is slower",
        )
        for name, each in made.items()
    ]
    absent = Candidate(
        name="int8-S8S8",
        precision="int8",
        model=None,
        row=None,
        ships=False,
        reason="4 of 7 stay in float",
    )
    fields: dict[str, Any] = {
        "rows": (row("teacher"), row("distilled"), fp32, int8),
        "choice": Choice(
            step="pruned",
            model="model.onnx",
            decided=True,
            reason="int8-U8S8 is only 0.76x [0.74, 0.78] as fast as fp32 here",
            variant="fp32",
        ),
        "candidates": (*candidates, absent),
    }
    return build(**(fields | changes))


@pytest.fixture(scope="session")
def make_candidates() -> Callable[..., Report]:
    return build_candidates
