from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.basis import (
    Basis,
    NoBasis,
    basis_of,
    core_speeds,
    data_sheet_scale,
    parts_of,
)
from edgedistill.core.cost_shape import CostScale, CostShape, LinearScale, ScaleSpreads
from edgedistill.core.fitted import FittedCost, IntervalFactors
from edgedistill.core.hardware import Cluster
from edgedistill.core.profile import Runtime, TargetProfile
from edgedistill.core.shape_document import ShapeDocument

WIDE = IntervalFactors(low=0.5, high=2.0)
NARROW = IntervalFactors(low=0.9, high=1.2)


def document(precision: str = "fp32", **changes: Any) -> ShapeDocument:
    return ShapeDocument.model_validate(
        {
            "schema_version": 1,
            "name": f"onnxruntime-cpu-{precision}",
            "engine": "onnxruntime-cpu",
            "precision": precision,
            "isa_levels": ("none", "dotprod"),
            "bytes_per_element": 4.0,
            "shape": CostShape(),
            "efficiency": 0.5,
            "core_efficiencies": {"Cortex-A53": 0.3},
            "spreads": ScaleSpreads(
                macs_per_s=0.3, traffic=0.3, overhead=0.3, activation=0.2, depthwise=0.2
            ),
            "intervals": {"data-sheet": WIDE},
            "measurements": 12,
            "devices": ("a board",),
            "families": ("resnet",),
            "sources": ("a publication",),
            "fitted_on": "2026-11-22",
            **changes,
        }
    )


def cost(**changes: Any) -> FittedCost:
    return FittedCost.model_validate(
        {
            "shape": "onnxruntime-cpu-fp32",
            "scale": CostScale(macs_per_s=3e9),
            "measurements": 5,
            "threads": (4,),
            "sources": ("a table of figures",),
            "fitted_on": "2026-11-22",
            "interval": NARROW,
            "tier": "few-measurements",
            **changes,
        }
    )


def profile(
    core: str = "Cortex-A72",
    *,
    provider: str = "CPUExecutionProvider",
    machine: str = "aarch64",
    **costs: FittedCost,
) -> TargetProfile:
    runtime = {
        "provider": provider,
        "max_opset": 20,
        "max_ir_version": 10,
        "precisions": ("fp32", "fp16"),
        "default_precision": "fp32",
        "cost": costs,
        "source": "a table",
    }
    return TargetProfile(
        schema_version=1,
        name="board",
        title="A board",
        machine=machine,
        clusters=(
            Cluster(core=core, count=4, clock_ghz=1.5, fp32_flop_per_cycle=8, source="a sheet"),
            Cluster(core="x", count=2, clock_ghz=0.75, fp32_flop_per_cycle=8, source="a sheet"),
        ),
        runtimes={"cpu": Runtime.model_validate(runtime)},
        default_runtime="cpu",
    )


def test_a_fitted_cost_comes_before_the_data_sheet() -> None:
    basis = basis_of(profile(fp32=cost()), "cpu", "fp32", [document()])
    assert isinstance(basis, Basis)
    assert (basis.tier, basis.interval, basis.threads) == ("few-measurements", NARROW, (4,))
    assert basis.measurements == 5
    assert basis.devices == ("A board",)
    assert "fitted to 5 measurements of this device" in basis.method


def test_without_one_the_speed_is_the_peak_times_what_cores_reach() -> None:
    basis = basis_of(profile(), "cpu", "fp32", [document()])
    assert isinstance(basis, Basis)
    assert basis.roofline is not None
    assert basis.roofline.scale.macs_per_s == pytest.approx(1.5e9 * 4 * 0.5)
    assert (basis.tier, basis.interval, basis.measurements) == ("data-sheet", WIDE, 12)
    assert "the 50 % of it that the devices measured reach" in basis.method


def test_a_core_whose_kind_was_measured_reaches_what_its_kind_does() -> None:
    scale = data_sheet_scale(profile("Cortex-A53"), document())
    assert scale is not None
    assert scale.macs_per_s == pytest.approx(1.5e9 * 4 * 0.3)


@pytest.mark.parametrize(
    ("asked", "shapes", "words"),
    [
        (profile(), [], "there is no fit of onnxruntime-cpu in fp32 for such a processor"),
        (profile(provider="QNNExecutionProvider"), [document()], "the NPU's own compiler decides"),
        (
            profile(provider="TensorrtExecutionProvider"),
            [document()],
            "there is no fit of tensorrt",
        ),
        (profile(machine="x86_64"), [document()], "this one is x86_64. Measure one network"),
        (profile(), [document(intervals={"measured": NARROW})], "no interval"),
        (profile(fp32=cost(shape="unknown")), [document()], "names the shape 'unknown'"),
    ],
)
def test_where_nothing_is_known_there_is_a_reason_and_no_number(
    asked: TargetProfile, shapes: list[ShapeDocument], words: str
) -> None:
    basis = basis_of(asked, "cpu", "fp32", shapes)
    assert isinstance(basis, NoBasis)
    assert words in basis.reason


def test_a_precision_that_the_runtime_does_not_run_is_said() -> None:
    basis = basis_of(profile(), "cpu", "int8", [document("int8")])
    assert basis == NoBasis("cpu runs no int8 here, only fp32, fp16")


def test_a_processor_of_unknown_width_gives_no_number() -> None:
    blind = profile().model_copy(
        update={"clusters": (Cluster(core="x", count=1, source="unknown"),)}
    )
    basis = basis_of(blind, "cpu", "fp32", [document()])
    assert isinstance(basis, NoBasis)
    assert "clock and the width" in basis.reason
    assert core_speeds(blind) == ()


def test_a_linear_unit_has_no_roofline() -> None:
    linear = LinearScale(start_ms=1.0, operator_us=5.0, macs_per_s=1e11, bytes_per_s=1e10)
    basis = basis_of(profile(fp32=cost(shape=None, scale=None, linear=linear)), "cpu", "fp32", [])
    assert isinstance(basis, Basis)
    assert basis.roofline is None
    assert basis.linear == linear


def test_a_pooled_cost_counts_the_measurements_of_its_shape() -> None:
    pooled = cost(measurements=0, tier="pooled")
    basis = basis_of(profile(fp32=pooled), "cpu", "fp32", [document()])
    assert isinstance(basis, Basis)
    assert (basis.measurements, basis.devices) == (12, ("a board",))
    assert "12 measurements of other devices" in basis.method


def test_cores_are_compared_by_their_peaks() -> None:
    assert core_speeds(profile()) == (1.0, 1.0, 1.0, 1.0, 0.5, 0.5)


def test_another_precision_takes_its_own_scale_where_it_was_fitted() -> None:
    shapes = [document(), document("int8"), document("fp16", efficiency=1.0)]
    fp16 = cost(shape="onnxruntime-cpu-fp16", scale=CostScale(macs_per_s=9e9))
    asked = profile(fp32=cost(), fp16=fp16)
    basis = basis_of(asked, "cpu", "fp32", shapes)
    assert isinstance(basis, Basis)
    assert basis.roofline is not None
    parts = parts_of(asked, "cpu", basis.roofline, ["fp32", "fp16"], shapes)
    assert not isinstance(parts, NoBasis)
    assert parts["fp32"].scale.macs_per_s == 3e9
    assert parts["fp16"].scale.macs_per_s == 9e9


def test_else_the_scale_follows_from_what_cores_reach_in_both() -> None:
    shapes = [document(), document("fp16", efficiency=1.0)]
    basis = basis_of(profile(fp32=cost()), "cpu", "fp32", shapes)
    assert isinstance(basis, Basis)
    assert basis.roofline is not None
    parts = parts_of(profile(fp32=cost()), "cpu", basis.roofline, ["fp16"], shapes)
    assert not isinstance(parts, NoBasis)
    assert parts["fp16"].scale.macs_per_s == pytest.approx(6e9)
    lacking = parts_of(profile(fp32=cost()), "cpu", basis.roofline, ["int8"], shapes)
    assert isinstance(lacking, NoBasis)
    assert "some operators run in int8" in lacking.reason
