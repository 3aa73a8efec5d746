"""From an accurate network to an int8 ONNX model within your device's budget, with proof.

The product is this Python API; the command line calls nothing else. Importing the package imports
nothing heavy: each name is fetched when it is first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgedistill.app.baseline import update_baselines
    from edgedistill.app.benchmark import benchmark
    from edgedistill.app.catalogue import (
        check_targets,
        estimate_bases,
        init,
        schema,
        target_profile,
        target_profiles,
    )
    from edgedistill.app.compare import ComparisonRun, compare
    from edgedistill.app.compress import compress, plan_lines, run_recipe
    from edgedistill.app.doctor import doctor, save_diagnosis
    from edgedistill.app.estimate import Estimates, estimate, estimate_targets
    from edgedistill.app.fit_target import fit_target
    from edgedistill.app.gate_inputs import GateInputs
    from edgedistill.app.gate_views import gate_document, tell_gate
    from edgedistill.app.network_operators import read_operator_lists
    from edgedistill.app.outcome import CompressionRun, GateResult, judge
    from edgedistill.app.quantize import QuantizeRun, quantize
    from edgedistill.app.resolve import read_recipe
    from edgedistill.app.verify import Verification, verify
    from edgedistill.core.baseline import Baseline
    from edgedistill.core.budget import Budget
    from edgedistill.core.device_report import DeviceReport
    from edgedistill.core.estimate import Estimate
    from edgedistill.core.findings import Diagnosis
    from edgedistill.core.preprocessing import Preprocessing

__all__ = [
    "Baseline",
    "Budget",
    "ComparisonRun",
    "CompressionRun",
    "DeviceReport",
    "Diagnosis",
    "Estimate",
    "Estimates",
    "GateInputs",
    "GateResult",
    "Preprocessing",
    "QuantizeRun",
    "Verification",
    "benchmark",
    "check_targets",
    "compare",
    "compress",
    "doctor",
    "estimate",
    "estimate_bases",
    "estimate_targets",
    "fit_target",
    "gate_document",
    "init",
    "judge",
    "plan_lines",
    "quantize",
    "read_operator_lists",
    "read_recipe",
    "run_recipe",
    "save_diagnosis",
    "schema",
    "target_profile",
    "target_profiles",
    "tell_gate",
    "update_baselines",
    "verify",
]

_HOMES = {
    "Baseline": "edgedistill.core.baseline",
    "Budget": "edgedistill.core.budget",
    "ComparisonRun": "edgedistill.app.compare",
    "CompressionRun": "edgedistill.app.outcome",
    "DeviceReport": "edgedistill.core.device_report",
    "Diagnosis": "edgedistill.core.findings",
    "Estimate": "edgedistill.core.estimate",
    "Estimates": "edgedistill.app.estimate",
    "GateInputs": "edgedistill.app.gate_inputs",
    "GateResult": "edgedistill.app.outcome",
    "Preprocessing": "edgedistill.core.preprocessing",
    "QuantizeRun": "edgedistill.app.quantize",
    "Verification": "edgedistill.app.verify",
    "benchmark": "edgedistill.app.benchmark",
    "check_targets": "edgedistill.app.catalogue",
    "compare": "edgedistill.app.compare",
    "compress": "edgedistill.app.compress",
    "doctor": "edgedistill.app.doctor",
    "estimate": "edgedistill.app.estimate",
    "estimate_bases": "edgedistill.app.catalogue",
    "estimate_targets": "edgedistill.app.estimate",
    "fit_target": "edgedistill.app.fit_target",
    "gate_document": "edgedistill.app.gate_views",
    "init": "edgedistill.app.catalogue",
    "judge": "edgedistill.app.outcome",
    "plan_lines": "edgedistill.app.compress",
    "quantize": "edgedistill.app.quantize",
    "read_operator_lists": "edgedistill.app.network_operators",
    "read_recipe": "edgedistill.app.resolve",
    "run_recipe": "edgedistill.app.compress",
    "save_diagnosis": "edgedistill.app.doctor",
    "schema": "edgedistill.app.catalogue",
    "target_profile": "edgedistill.app.catalogue",
    "target_profiles": "edgedistill.app.catalogue",
    "tell_gate": "edgedistill.app.gate_views",
    "update_baselines": "edgedistill.app.baseline",
    "verify": "edgedistill.app.verify",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgedistill' has no attribute '{name}'")
    # Linux wheels of ONNX Runtime since 1.29 contain telemetry; it is read when they are loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return getattr(importlib.import_module(_HOMES[name]), name)
