"""What a profile promises about hardware and fitted costs."""

from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.cost_shape import CostScale
from edgedistill.core.fitted import FittedCost
from edgedistill.core.hardware import Cluster, PowerMode
from edgedistill.core.profile import TargetProfile
from edgedistill.core.strict import plain
from edgedistill.core.target_check import TargetsCheck, rows_of
from edgedistill.errors import Fault, InputError

COST: dict[str, Any] = {
    "shape": "onnxruntime-cpu-fp32",
    "scale": {"macs_per_s": 3.1e9, "traffic": 1.1},
    "measurements": 154,
    "families": 2,
    "threads": [1],
    "sources": ["Deeplite YOLOBench (Apache-2.0)"],
    "fitted_on": "2026-11-22",
    "error": {
        "mean_percent": 3.4,
        "median_percent": 2.5,
        "p90_percent": 7.0,
        "within_10_percent_fraction": 0.97,
        "macs_constant_mean_percent": 45.0,
    },
    "interval": {"low": 0.9, "high": 1.1, "coverage_fraction": 0.91},
    "tier": "measured",
}

PROFILE: dict[str, Any] = {
    "schema_version": 1,
    "name": "device",
    "title": "A device",
    "machine": "aarch64",
    "clusters": [
        {
            "core": "Cortex-A76",
            "count": 4,
            "clock_ghz": 2.4,
            "fp32_flop_per_cycle": 16,
            "isa_flags": ["neon", "fp16", "dotprod"],
            "source": "data sheet",
        }
    ],
    "memory_mb": 2147,
    "memory_source": "data sheet",
    "accelerators": [{"kind": "gpu", "name": "GPU", "served_by": ["ncnn"], "source": "data sheet"}],
    "power_modes": [
        {
            "name": "15W",
            "low_w": 7.0,
            "high_w": 15.0,
            "basis": "budget",
            "covers": "module",
            "source": "data sheet",
        }
    ],
    "default_power_mode": "15W",
    "runtimes": {
        "cpu": {
            "provider": "CPUExecutionProvider",
            "max_opset": 20,
            "max_ir_version": 10,
            "precisions": ["fp32"],
            "default_precision": "fp32",
            "cost": {"fp32": COST},
            "source": "data sheet",
        }
    },
    "default_runtime": "cpu",
    "converted_runtimes": {
        "ncnn": {
            "engine": "ncnn",
            "file_format": "ncnn",
            "precisions": ["fp16"],
            "source": "data sheet",
        }
    },
}


def test_a_whole_profile_reads_and_reads_back() -> None:
    profile = TargetProfile.read(PROFILE, file="p")
    assert TargetProfile.read(plain(profile), file="p") == profile
    assert profile.isa_level == "dotprod"
    assert profile.runtimes["cpu"].cost["fp32"].scale == CostScale(macs_per_s=3.1e9, traffic=1.1)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The profile with one key replaced."""
    import copy

    document = copy.deepcopy(PROFILE)
    place: Any = document
    *parents, last = path.split("/")
    for part in parents:
        place = place[int(part) if part.isdecimal() else part]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("memory_source", None, "memory_source: belongs together with memory_mb"),
        ("memory_bandwidth_gb_per_s", 17.1, "belongs together with memory_bandwidth_gb_per_s"),
        ("default_power_mode", "25W", "Choose one of: 15W"),
        ("default_power_mode", None, "is not one of power_modes"),
        ("power_modes/0/low_w", 20.0, "low_w is above high_w"),
        ("accelerators/0/served_by", ["qnn"], "'qnn', which is not one of runtimes"),
        ("clusters/0/source", "", "clusters.0.source"),
        ("clusters/0/clock_mhz", 2400, "is not a known key"),
        ("runtimes/cpu/cost", {"int8": COST}, "'int8', which is not one of precisions"),
        ("runtimes/cpu/cost", {"fp32": {**COST, "measurements": 0}}, "needs measurements"),
        ("runtimes/cpu/cost", {"fp32": {**COST, "error": None}}, "needs its error"),
        ("runtimes/cpu/cost", {"fp32": {**COST, "tier": "unsupported"}}, "has no parameters"),
        ("runtimes/cpu/cost", {"fp32": {**COST, "fitted_on": "22.11.2026"}}, "fitted_on"),
        ("runtimes/cpu/cost", {"fp32": {**COST, "sources": []}}, "sources"),
        (
            "runtimes/cpu/cost",
            {"fp32": {**COST, "scale": {"macs_per_s": float("nan")}}},
            "macs_per_s: is not a finite number",
        ),
        ("runtimes/cpu/cost", {"fp32": {**COST, "interval": {"low": 1.2, "high": 1.1}}}, "low"),
        ("converted_runtimes/ncnn/precisions", ["int8"], "int8_reason belong together"),
        (
            "converted_runtimes",
            {"cpu": PROFILE["converted_runtimes"]["ncnn"], **PROFILE["converted_runtimes"]},
            "stands in runtimes too",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(path: str, value: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        TargetProfile.read(changed(path, value), file="p")
    assert words in str(caught.value)


def test_faults_of_different_kinds_come_all_at_once() -> None:
    document = {
        **PROFILE,
        "memory_source": None,
        "default_power_mode": "25W",
        "default_runtime": "gpu",
        "accelerators": [
            {"kind": "gpu", "name": "GPU", "served_by": ["qnn"], "source": "data sheet"}
        ],
    }
    with pytest.raises(InputError) as caught:
        TargetProfile.read(document, file="p")
    assert [fault.field for fault in caught.value.faults] == [
        "memory_source",
        "default_power_mode",
        "default_runtime",
        "accelerators",
    ]


def test_a_fault_hides_no_other_and_is_not_told_twice() -> None:
    document = {**PROFILE, "power_modes": [{"name": "15W"}], "runtimes": {}}
    with pytest.raises(InputError) as caught:
        TargetProfile.read(document, file="p")
    fields = [str(fault.field) for fault in caught.value.faults]
    assert all(field.startswith(("power_modes.0.", "runtimes")) for field in fields)


@pytest.mark.parametrize(
    ("flags", "level"),
    [((), "none"), (("neon", "fp16"), "none"), (("dotprod", "i8mm"), "i8mm")],
)
def test_the_isa_level_follows_from_the_flags(flags: tuple[str, ...], level: str) -> None:
    assert Cluster(core="c", count=1, isa_flags=flags, source="none").isa_level == level


def test_a_peak_needs_clock_and_width() -> None:
    cluster = Cluster(core="c", count=4, clock_ghz=2.4, fp32_flop_per_cycle=16, source="none")
    assert cluster.peak_fp32_gflop_per_s == pytest.approx(153.6)
    assert Cluster(core="c", count=4, clock_ghz=2.4, source="none").peak_fp32_gflop_per_s is None


def test_one_power_figure_is_a_range_of_no_width() -> None:
    mode = PowerMode(
        name="15W", low_w=15.0, high_w=15.0, basis="budget", covers="module", source="data sheet"
    )
    assert mode.low_w == mode.high_w


def test_a_fit_gives_a_row_with_its_baseline() -> None:
    (row,) = rows_of(TargetProfile.read(PROFILE, file="p"))
    assert (row.target, row.runtime, row.precision) == ("device", "cpu", "fp32")
    assert (row.mean_percent, row.macs_constant_mean_percent) == (3.4, 45.0)
    assert (row.interval_low, row.interval_high, row.coverage_fraction) == (0.9, 1.1, 0.91)


def test_a_fit_with_nothing_left_out_has_no_error_and_says_so() -> None:
    cost = {**COST, "error": None, "tier": "data-sheet", "measurements": 0}
    assert FittedCost.read(cost, file="p").error is None
    (row,) = rows_of(TargetProfile.read(changed("runtimes/cpu/cost", {"fp32": cost}), file="p"))
    assert row.mean_percent is None


def test_the_document_of_a_check_is_json() -> None:
    import json

    fault = Fault(file="f.yaml", field="name", problem="is missing", remedy="Add it")
    rows = tuple(rows_of(TargetProfile.read(PROFILE, file="p")))
    document = TargetsCheck(profiles=("device",), faults=(fault,), fits=rows).document()
    assert json.loads(json.dumps(document)) == document
    assert document["faults"][0]["remedy"] == "Add it"
    assert document["fits"][0]["mean_percent"] == 3.4
