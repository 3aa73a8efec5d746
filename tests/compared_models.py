"""Comparisons of two models, made up."""

from __future__ import annotations

from typing import Any

from edgedistill.core.comparison import ComparedModel, ComparedSamples, Comparison
from edgedistill.core.damage import Damage, Flipped, PartDamage
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.quantized import ModelInput


def share(value: float) -> Quantity:
    return Quantity(
        value=value,
        low=value - 0.01,
        high=value + 0.01,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=200,
        method="Wilson",
    )


def model(name: str, accuracy: float | None) -> ComparedModel:
    return ComparedModel(
        name=name,
        file="x.onnx",
        sha256="a" * 64,
        inputs=(ModelInput(name="x", dtype="float32", shape=(None, 4)),),
        accuracy=None if accuracy is None else share(accuracy),
        latency=None,
        size_mb=counted(1.5, "bytes"),
        macs=None,
        parameters=None,
    )


def comparison(*, labelled: bool = True, name: str = "B", **changes: Any) -> Comparison:
    part = PartDamage(name=name, samples=9, before=share(0.9), after=share(0.8), drop=share(0.1))
    damage = Damage(
        split="given samples",
        samples=200,
        before="A",
        after=name,
        flipped=Flipped(changed=share(0.05), lost=share(0.03), gained=share(0.02)),
        classes=(part,),
        calibration_error=None,
        examples_in_all=6,
    )
    fields: dict[str, Any] = {
        "schema_version": 1,
        "target": "host",
        "target_title": "This machine",
        "runtime": "cpu",
        "models": (model("A", 0.9), model(name, 0.8))
        if labelled
        else (model("A", None), model(name, None)),
        "samples": ComparedSamples(
            source="data",
            kind="arrays",
            sha256="b" * 64,
            found=300,
            compared=200,
            labelled=labelled,
        ),
        "preprocessing": None,
        "preprocessing_from": None,
        "agreement_kind": "top-1",
        "agreement": share(0.95),
        "changed": share(0.05),
        "relative_error": 0.02,
        "accuracy_drop": share(0.1) if labelled else None,
        "damage": damage if labelled else None,
        "conditions": None,
        "notes": ("There is something to know",),
        "seed": 0,
        "versions": {"python": "3"},
    }
    return Comparison(**(fields | changes))
