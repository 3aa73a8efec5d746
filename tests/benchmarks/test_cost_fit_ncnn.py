"""Rows of ncnn's table are told apart by core, day and what the core computes in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from edgedistill.cost.fitting import Priors

COST_FIT = Path(__file__).parents[2] / "benchmarks" / "cost_fit"
if not COST_FIT.is_dir():
    pytest.skip("the benchmarks are not part of this distribution", allow_module_level=True)
sys.path.insert(0, str(COST_FIT))

import ncnn  # noqa: E402  # a script's folder is no package
from ncnn_boards import BOARDS, place_of  # noqa: E402
from priors import NCNN_FP32, NCNN_INT8, NCNN_INT8_DOT_PRODUCT  # noqa: E402

from edgedistill.core.operator_kind import ACTIVATIONS, Kind  # noqa: E402

RK3399 = "Rockchip RK3399 (Cortex-A72 1.8GHz x 2 + Cortex-A53 1.5GHz x 4)"


def plans_that_take(precision: str, core: str, day: str) -> list[str]:
    return [plan.name for plan in ncnn.PLANS if plan.takes(precision, core, day)]


@pytest.mark.parametrize(
    ("precision", "core", "day", "plans"),
    [
        ("fp32", "Cortex-A72", "2023-06-15", ["ncnn-cpu-fp32"]),
        ("fp16", "Cortex-A53", "2022-01-03", ["ncnn-cpu-fp32"]),
        ("fp16", "Cortex-A76", "2023-12-12", ["ncnn-cpu-fp16"]),
        ("fp16", "Cortex-A76", "2022-05-19", ["ncnn-cpu-fp16-before-2022-08"]),
        ("int8", "Cortex-A72", "2023-06-15", ["ncnn-cpu-int8-none"]),
        ("int8", "Cortex-A55", "2022-01-03", ["ncnn-cpu-int8-dotprod"]),
        ("int8", "Cortex-A73", "2020-06-12", []),
    ],
)
def test_a_row_belongs_to_one_plan_by_what_its_core_computes(
    precision: str, core: str, day: str, plans: list[str]
) -> None:
    assert plans_that_take(precision, core, day) == plans


@pytest.mark.parametrize(
    ("powersave", "core", "peak", "count"),
    [("2", "Cortex-A72", 7.2e9, 2), ("1", "Cortex-A53", 6.0e9, 4)],
)
def test_powersave_chooses_the_cores(powersave: str, core: str, peak: float, count: int) -> None:
    place = place_of(RK3399, "Rockchip RK3399", "2022-01-03", powersave)
    assert place is not None
    assert (place.core, place.peak_macs_per_s, place.count) == (core, peak, count)


def test_slow_cores_that_are_not_there_are_no_place() -> None:
    soc = "Raspberry Pi 5 Broadcom BCM2712, Cortex-A76 (ARMv8) (2.4GHz x 4)"
    assert place_of(soc, "Raspberry Pi 5", "2023-12-12", "1") is None
    overclocked = "Raspberry Pi 5 Broadcom BCM2712 Overclock to 2.9Ghz"
    found = place_of(overclocked, "Raspberry Pi 5", "2024-07-08", "0")
    assert found is not None
    assert found.profile is None


def test_every_profile_named_exists() -> None:
    targets = Path(__file__).parents[2] / "targets"
    assert all((targets / f"{one.profile}.yaml").is_file() for one in BOARDS if one.profile)


@pytest.mark.parametrize("priors", [NCNN_INT8, NCNN_INT8_DOT_PRODUCT])
def test_in_int8_every_operator_between_convolutions_pays_its_detour_through_float(
    priors: Priors,
) -> None:
    others = (Kind.POOLING, Kind.MOVEMENT, Kind.ELEMENTWISE, Kind.RELU, *ACTIVATIONS)
    for kind in set(others) - {Kind.SOFTMAX}:  # the last operator: little comes, nothing follows
        before = NCNN_FP32.element_macs[kind].value if kind in NCNN_FP32.element_macs else 0.0
        assert priors.element_macs[kind].value >= before + 10.0


def test_with_dot_products_a_3x3_convolution_is_as_any_other_dense_one() -> None:
    priors = NCNN_INT8_DOT_PRODUCT
    assert (priors.tile_side, priors.tile_channels, priors.weight_copies.value) == (1, 0, 1.0)
    for table in (priors.rates, priors.half_outputs, priors.half_inputs, priors.half_depths):
        assert table.get(Kind.CONV_3X3) == table.get(Kind.CONV_OTHER)
