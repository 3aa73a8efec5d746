from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgedistill.core.cost_shape import CostScale, CostShape, LinearScale, ScaleSpreads
from edgedistill.core.fitted import IntervalFactors
from edgedistill.core.operator_kind import Kind
from edgedistill.core.shape_document import ShapeDocument
from edgedistill.cost.fitting import Measurement
from edgedistill.cost.operators import Operator
from edgedistill.cost.refit import Evidence, refined, refit, rescaled_linear
from edgedistill.cost.roofline import Columns, latency_s

DOCUMENT = ShapeDocument(
    schema_version=1,
    name="engine-fp32",
    engine="engine",
    precision="fp32",
    isa_levels=("none",),
    bytes_per_element=4.0,
    shape=CostShape(
        rates={Kind.DEPTHWISE: 0.05},
        element_macs={Kind.SILU: 50.0},
        byte_macs=3.0,
        overhead_macs=50_000.0,
        serial_work_fraction=0.05,
        serial_traffic_fraction=0.3,
    ),
    efficiency=0.5,
    spreads=ScaleSpreads(macs_per_s=0.3, traffic=0.4, overhead=0.4, activation=0.3, depthwise=0.3),
    intervals={
        "few-measurements": IntervalFactors(low=0.7, high=1.4),
        "data-sheet": IntervalFactors(low=0.5, high=2.0),
    },
    measurements=7,
    devices=("a board",),
    families=("resnet",),
    sources=("a publication",),
    fitted_on="2026-11-22",
)
EVIDENCE = Evidence(sources=("a desk",), fitted_on="2026-11-22")
TRUE = CostScale(macs_per_s=2e9, traffic=1.5, overhead=0.7, activation=1.3, depthwise=0.8)


def network(seed: int) -> list[Operator]:
    """Pointwise, depthwise and SiLU in sizes of their own."""
    draw = np.random.default_rng(seed)
    operators = []
    for _ in range(6):
        channels, pixels = (int(draw.integers(8, 512)), int(draw.integers(16, 4000)))
        sizes = {"input_elements": channels * pixels, "output_elements": channels * pixels}
        operators += [
            Operator(
                kind=Kind.POINTWISE,
                macs=channels * channels * pixels,
                weight_elements=channels * channels,
                input_channels=channels,
                output_channels=channels,
                **sizes,
            ),
            Operator(
                kind=Kind.DEPTHWISE,
                macs=9 * channels * pixels,
                weight_elements=9 * channels,
                **sizes,
            ),
            Operator(kind=Kind.SILU, macs=0, weight_elements=0, **sizes),
        ]
    return operators


def measured(count: int, *, scale: CostScale = TRUE, families: int = 4) -> list[Measurement]:
    found = []
    for seed in range(count):
        columns = Columns.of(network(seed))
        threads = (1, 2, 4)[seed % 3]
        found.append(
            Measurement(
                device="mine",
                family=f"family {seed % families}",
                network=f"network {seed}",
                columns=columns,
                latency_s=latency_s(
                    columns,
                    DOCUMENT.shape,
                    scale,
                    bytes_per_element=4.0,
                    threads=threads,
                ),
                threads=threads,
            )
        )
    return found


def told(scale: CostScale, one: Measurement) -> float:
    return latency_s(one.columns, DOCUMENT.shape, scale, bytes_per_element=4.0, threads=one.threads)


def refitted(measurements: list[Measurement], **options: Any) -> Any:
    return refit(
        measurements,
        DOCUMENT,
        present=options.pop("present", None),
        known_processor=options.pop("known_processor", True),
        evidence=EVIDENCE,
    )


def test_one_measurement_leaves_the_factors_where_they_were() -> None:
    present = CostScale(macs_per_s=5e9, traffic=1.2, depthwise=0.9)
    (one,) = measured(1)
    scale = refined([one], DOCUMENT, present)
    assert told(scale, one) == pytest.approx(one.latency_s, rel=1e-12)
    assert scale.model_copy(update={"macs_per_s": 5e9}) == present


def test_many_measurements_find_the_factors() -> None:
    scale = refined(measured(24), DOCUMENT, None)
    assert scale.macs_per_s == pytest.approx(TRUE.macs_per_s, rel=0.08)  # priors pull at factors
    assert scale.depthwise == pytest.approx(TRUE.depthwise, rel=0.1)
    unseen = measured(30)[24:]
    assert all(told(scale, one) == pytest.approx(one.latency_s, rel=0.02) for one in unseen)


def test_a_device_that_was_right_before_stays_as_it_was() -> None:
    scale = refined(measured(12), DOCUMENT, TRUE)
    for name in ("macs_per_s", "traffic", "overhead", "activation", "depthwise"):
        assert getattr(scale, name) == pytest.approx(getattr(TRUE, name), rel=1e-3)


def test_the_tier_needs_twenty_measurements_and_three_families() -> None:
    assert refitted(measured(24)).tier == "measured"
    assert refitted(measured(19)).tier == "few-measurements"
    assert refitted(measured(24, families=2)).tier == "few-measurements"


def test_a_shape_of_other_processors_promises_no_more_than_a_data_sheet() -> None:
    (one,) = measured(1)
    assert refitted([one]).interval.high == 1.4
    assert refitted([one], known_processor=False).interval.high == 2.0


def test_where_a_shape_has_no_such_tier_a_better_ones_interval_is_doubled() -> None:
    narrow = {"measured": IntervalFactors(low=0.9, high=1.2)}
    lone = DOCUMENT.model_copy(update={"intervals": narrow})
    cost = refit(measured(1), lone, present=None, known_processor=True, evidence=EVIDENCE)
    assert cost.interval.low == pytest.approx(0.81)
    assert cost.interval.high == pytest.approx(1.44)


def test_errors_are_of_families_left_out() -> None:
    cost = refitted(measured(24))
    assert cost.error is not None
    assert cost.error.mean_percent < 5.0
    assert cost.error.macs_constant_mean_percent > cost.error.mean_percent
    assert refitted(measured(2)).error is None


def test_one_odd_measurement_of_many_does_not_move_the_device() -> None:
    every = measured(24)
    odd = every[0]
    every[0] = Measurement(
        device=odd.device,
        family=odd.family,
        network=odd.network,
        columns=odd.columns,
        latency_s=10 * odd.latency_s,
        threads=odd.threads,
    )
    scale = refined(every, DOCUMENT, None)
    for one in every[1:]:
        assert told(scale, one) == pytest.approx(one.latency_s, rel=0.1)


def test_a_linear_unit_is_slower_as_a_whole() -> None:
    linear = LinearScale(start_ms=1.0, operator_us=10.0, macs_per_s=1e11, bytes_per_s=1e10)
    slow = rescaled_linear(linear, [2.0, 2.0, 9.0])
    assert slow.start_ms == pytest.approx(2.0)
    assert slow.operator_us == pytest.approx(20.0)
    assert slow.macs_per_s == pytest.approx(5e10)
    assert slow.bytes_per_s == pytest.approx(5e9)


def test_tiles_vectors_the_cache_and_the_speed_of_3x3_convolution_outlive_a_refinement() -> None:
    tiled = DOCUMENT.shape.model_copy(
        update={
            "rates": {Kind.CONV_3X3: 3.0},
            "unaligned": {Kind.CONV_3X3: 2.0},
            "lanes": 8,
            "tile_side": 4,
            "tile_channels": 8,
            "cache_bytes": 1e6,
            "uncached_byte_macs": 20.0,
        }
    )
    document = DOCUMENT.model_copy(update={"shape": tiled})
    true = CostScale(macs_per_s=6e9, traffic=1.3, conv_3x3=1.5)
    own = []
    for channels, side in ((64, 56), (84, 28), (126, 14), (512, 7)):
        one = Operator(
            kind=Kind.CONV_3X3,
            macs=9 * channels**2 * side**2,
            weight_elements=9 * channels**2,
            input_elements=channels * side**2,
            output_elements=channels * side**2,
            input_channels=channels,
            output_channels=channels,
        )
        columns = Columns.of([one])
        latency = latency_s(columns, tiled, true, bytes_per_element=4.0)
        own.append(
            Measurement(
                device="mine",
                family="plain",
                network=f"{channels}",
                columns=columns,
                latency_s=latency,
            )
        )
    scale = refined(own, document, true)
    assert scale.conv_3x3 == pytest.approx(1.5, rel=0.01)
    assert [latency_s(one.columns, tiled, scale, bytes_per_element=4.0) for one in own] == (
        pytest.approx([one.latency_s for one in own], rel=0.01)
    )
