from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.core.basis import Basis, Scaled
from edgedistill.core.cost_shape import CostScale, CostShape, LinearScale, ScaleSpreads
from edgedistill.core.evidence import Evidence
from edgedistill.core.fitted import IntervalFactors
from edgedistill.core.operator_kind import Kind
from edgedistill.core.shape_document import ShapeDocument
from edgedistill.cost.estimate import LatencyEstimate, Threads, estimate_latency
from edgedistill.cost.operators import Operator

if TYPE_CHECKING:
    from edgedistill.core.profile import Precision

FACTORS = IntervalFactors(low=0.8, high=1.3)


def pointwise(
    channels: int = 64, pixels: int = 100, precision: Precision | None = None
) -> Operator:
    return Operator(
        kind=Kind.POINTWISE,
        macs=channels * channels * pixels,
        weight_elements=channels * channels,
        input_elements=channels * pixels,
        output_elements=channels * pixels,
        input_channels=channels,
        output_channels=channels,
        precision=precision,
    )


def view() -> Operator:
    return Operator(
        kind=Kind.FREE, macs=0, weight_elements=0, input_elements=10, output_elements=10
    )


def scaled(macs_per_s: float = 1e9, *, bytes_per_element: float = 4.0, **shape: float) -> Scaled:
    document = ShapeDocument(
        schema_version=1,
        name="engine-fp32",
        engine="engine",
        precision="fp32",
        isa_levels=("none",),
        bytes_per_element=bytes_per_element,
        shape=CostShape.model_validate(shape),
        efficiency=0.5,
        spreads=ScaleSpreads(
            macs_per_s=0.3, traffic=0.3, overhead=0.3, activation=0.2, depthwise=0.2
        ),
        intervals={"measured": FACTORS},
        measurements=7,
        devices=("a board",),
        families=("resnet",),
        sources=("a publication",),
        fitted_on="2026-11-22",
    )
    return Scaled(document=document, scale=CostScale(macs_per_s=macs_per_s))


def basis(
    roofline: Scaled | None = None,
    *,
    linear: LinearScale | None = None,
    threads: tuple[int, ...] = (1,),
) -> Basis:
    return Basis(
        tier="measured",
        interval=FACTORS,
        roofline=roofline,
        linear=linear,
        measurements=7,
        devices=("a board",),
        threads=threads,
        sources=("a publication",),
        error=None,
        method="a roofline",
    )


def said(
    operators: list[Operator],
    part: Scaled,
    *,
    threads: Threads | None = None,
    measured: tuple[int, ...] = (1,),
) -> LatencyEstimate:
    return estimate_latency(
        operators,
        basis(part, threads=measured),
        {"fp32": part},
        precision="fp32",
        threads=threads or Threads(count=1),
    )


def test_a_network_takes_the_time_of_its_operators() -> None:
    found = said([pointwise(), view(), pointwise(32)], scaled(1e9))
    macs = (64 * 64 + 32 * 32) * 100
    assert found.latency_ms.value == pytest.approx(1e3 * macs / 1e9)
    assert [row.place for row in found.operators] == [0, 2]
    assert sum(row.latency_ms for row in found.operators) == pytest.approx(found.latency_ms.value)


def test_the_interval_is_the_tiers_and_says_so() -> None:
    latency = said([pointwise()], scaled()).latency_ms
    assert latency.low == pytest.approx(0.8 * latency.value)
    assert latency.high == pytest.approx(1.3 * latency.value)
    assert (latency.evidence, latency.confidence) == (Evidence.ESTIMATED, 0.9)
    assert latency.samples == 7
    assert "threads" not in latency.method


@given(
    speed=st.floats(1e6, 1e13),
    factor=st.floats(1e-3, 1e3),
    channels=st.lists(st.integers(1, 512), min_size=1, max_size=8),
    count=st.integers(1, 8),
)
def test_a_device_twice_as_fast_takes_half_the_time(
    speed: float, factor: float, channels: list[int], count: int
) -> None:
    network = [pointwise(one) for one in channels]
    threads = Threads(count=count)
    shape = {"byte_macs": 3.0, "overhead_macs": 1e4, "serial_work_fraction": 0.1}
    slow = said(network, scaled(speed, **shape), threads=threads).latency_ms
    fast = said(network, scaled(speed * factor, **shape), threads=threads).latency_ms
    for name in ("value", "low", "high"):
        assert getattr(slow, name) == pytest.approx(factor * getattr(fast, name))


@given(
    count=st.integers(1, 12),
    measured=st.sets(st.integers(1, 12), min_size=1, max_size=3),
    serial=st.floats(0, 1),
    speeds=st.lists(st.floats(0.05, 1.0), max_size=12),
)
def test_the_interval_holds_its_value_and_is_never_narrower_than_the_tiers(
    count: int, measured: set[int], serial: float, speeds: list[float]
) -> None:
    cores = (1.0, *sorted(speeds, reverse=True))
    latency = said(
        [pointwise(), pointwise(8)],
        scaled(serial_work_fraction=serial, byte_macs=50.0, overhead_macs=1e5),
        threads=Threads(count=count, core_speeds=cores),
        measured=tuple(measured),
    ).latency_ms
    assert 0 < latency.low <= latency.value <= latency.high
    assert latency.low <= 0.8 * latency.value * (1 + 1e-9)
    assert latency.high >= 1.3 * latency.value * (1 - 1e-9)
    assert ("Amdahl" in latency.method) == (count not in measured)


def test_threads_that_were_not_measured_follow_amdahls_law_and_widen_the_interval() -> None:
    part = scaled(serial_work_fraction=0.1)
    one = said([pointwise()], part).latency_ms
    four = said([pointwise()], part, threads=Threads(count=4)).latency_ms
    assert four.value == pytest.approx(one.value * (0.1 + 0.9 / 4))
    lowest = (0.05 + 0.95 / 4) / (0.1 + 0.9 / 4)
    highest = (0.2 + 0.8 / 4) / (0.1 + 0.9 / 4)
    assert four.low == pytest.approx(0.8 * lowest * four.value)
    assert four.high == pytest.approx(1.3 * highest * four.value)
    assert "the measurements ran on 1 thread(s): that on 4 follows" in four.method


def test_slow_cores_are_worth_less_and_leave_more_open() -> None:
    even = said([pointwise()], scaled(), threads=Threads(count=2, core_speeds=(1.0, 1.0)))
    uneven = said([pointwise()], scaled(), threads=Threads(count=2, core_speeds=(1.0, 0.25)))
    assert even.latency_ms.high == pytest.approx(1.3 * even.latency_ms.value)
    worth = (1.0 * 1.25) ** 0.5
    assert uneven.latency_ms.value == pytest.approx(even.latency_ms.value * 2 / worth)
    assert uneven.latency_ms.low == pytest.approx(0.8 * even.latency_ms.value * 2 / 1.25)
    assert uneven.latency_ms.high == pytest.approx(1.3 * even.latency_ms.value * 2)


def test_time_is_shared_out_by_kind_the_longest_first() -> None:
    sigmoid = Operator(
        kind=Kind.SIGMOID, macs=0, weight_elements=0, input_elements=100, output_elements=100
    )
    found = said([sigmoid, pointwise(), pointwise()], scaled(byte_macs=1.0)).by_kind
    assert [(one.kind, one.operators) for one in found] == [(Kind.POINTWISE, 2), (Kind.SIGMOID, 1)]
    assert sum(one.share_fraction for one in found) == pytest.approx(1.0)
    assert found[0].macs == 2 * 64 * 64 * 100


def test_an_operator_with_a_precision_of_its_own_is_computed_in_it() -> None:
    parts = {"fp32": scaled(1e9), "int8": scaled(4e9, bytes_per_element=1.0)}
    found = estimate_latency(
        [pointwise(), pointwise(precision="fp32")],
        basis(parts["int8"]),
        parts,  # type: ignore[arg-type]  # the keys are precisions
        precision="int8",
        threads=Threads(count=1),
    )
    assert [row.precision for row in found.operators] == ["int8", "fp32"]
    int8, fp32 = found.operators
    assert fp32.latency_ms == pytest.approx(4 * int8.latency_ms)


def test_a_linear_unit_adds_start_operators_work_and_traffic() -> None:
    linear = LinearScale(start_ms=2.0, operator_us=10.0, macs_per_s=1e9, bytes_per_s=1e8)
    found = estimate_latency(
        [pointwise(), view(), pointwise(precision="fp32")],
        basis(linear=linear),
        {},
        precision="fp16",
        threads=Threads(count=4),
    )
    elements = 64 * 64 + 2 * 64 * 100
    each = 0.01 + 1e3 * 64 * 64 * 100 / 1e9
    half, whole = (each + 1e3 * elements * size / 1e8 for size in (2, 4))
    assert found.latency_ms.value == pytest.approx(2.0 + half + whole)
    assert [row.latency_ms for row in found.operators] == pytest.approx([half, whole])
    assert found.by_kind[0].share_fraction < 1.0


def test_overhead_that_was_never_so_large_widens_the_interval() -> None:
    # 409,600 MACs of work and as much overhead: half of the time, of which a tenth was seen
    part = scaled(overhead_macs=409600.0)
    seen = part.document.model_copy(update={"largest_overhead_fraction": 0.1})
    part = Scaled(document=seen, scale=part.scale)
    latency = said([pointwise()], part).latency_ms
    assert latency.low == pytest.approx(0.8 * latency.value * (0.6 + 0.4 / 3))
    assert latency.high == pytest.approx(1.3 * latency.value * (0.6 + 0.4 * 3))
    assert "50 % of the time is the overhead of operators, which was 10 % at most" in latency.method


def test_postprocessing_is_left_out_and_said_to_be() -> None:
    suppression = Operator(
        kind=Kind.POSTPROCESSING, macs=0, weight_elements=0, input_elements=9, output_elements=9
    )
    alone, followed = said([pointwise()], scaled()), said([pointwise(), suppression], scaled())
    assert followed.latency_ms.value == alone.latency_ms.value
    assert "without 1 operator(s) of postprocessing" in followed.latency_ms.method
    assert "postprocessing" not in alone.latency_ms.method
