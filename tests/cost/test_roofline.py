from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgedistill.core.cost_shape import CostScale, CostShape, ScaleSpreads
from edgedistill.core.operator_kind import Kind
from edgedistill.cost.fitting import Measurement, Prior, Priors, fit, scale_from
from edgedistill.cost.operators import Operator
from edgedistill.cost.roofline import Columns, latency_s


def pointwise(channels: int, pixels: int) -> Operator:
    return Operator(
        kind=Kind.POINTWISE,
        macs=channels * channels * pixels,
        weight_elements=channels * channels,
        input_elements=channels * pixels,
        output_elements=channels * pixels,
        input_channels=channels,
        output_channels=channels,
    )


def convolution(
    channels: tuple[int, int], *, kernel: int, pixels: int, stride: int = 1
) -> Operator:
    weights = channels[0] * channels[1] * kernel**2
    return Operator(
        kind=Kind.CONV_3X3 if (kernel, stride) == (3, 1) else Kind.CONV_OTHER,
        macs=weights * pixels,
        weight_elements=weights,
        input_elements=channels[0] * pixels * stride**2,
        output_elements=channels[1] * pixels,
        kernel=kernel,
        stride=stride,
        input_channels=channels[0],
        output_channels=channels[1],
    )


def silu(elements: int) -> Operator:
    return Operator(
        kind=Kind.SILU,
        macs=0,
        weight_elements=0,
        input_elements=elements,
        output_elements=elements,
    )


def shape(**changes: object) -> CostShape:
    plain = {
        "rates": {},
        "half_outputs": {},
        "half_inputs": {},
        "weight_copies": 1.0,
        "column_blocks": {},
        "element_macs": {},
        "byte_macs": 0.0,
        "overhead_macs": 0.0,
    }
    return CostShape(**{**plain, **changes})  # type: ignore[arg-type]  # each test changes one


def seconds(operator: Operator, of: CostShape, macs_per_s: float = 1e9) -> float:
    return latency_s(
        Columns.of([operator]), of, CostScale(macs_per_s=macs_per_s), bytes_per_element=4.0
    )


def test_work_alone_is_macs_over_the_rate() -> None:
    assert seconds(pointwise(64, 100), shape()) == pytest.approx(64 * 64 * 100 / 1e9)


def test_at_the_half_channels_an_operator_runs_at_half_speed() -> None:
    halved = shape(half_outputs={Kind.POINTWISE: 64.0})
    assert seconds(pointwise(64, 100), halved) == pytest.approx(2 * 64 * 64 * 100 / 1e9)


def test_at_the_half_pixels_a_weight_takes_as_long_to_pack_as_to_use() -> None:
    packed = shape(half_pixels={Kind.POINTWISE: 100.0})
    assert seconds(pointwise(64, 100), packed) == pytest.approx(2 * 64 * 64 * 100 / 1e9)


def test_traffic_is_the_time_where_it_is_the_longer_of_the_two() -> None:
    moved = 4.0 * (2 * 64 * 100 + 64 * 64)
    slow = shape(byte_macs=1000.0)
    assert seconds(pointwise(64, 100), slow) == pytest.approx(moved * 1000.0 / 1e9)


def test_a_picture_of_25_pixels_costs_as_much_as_one_of_32() -> None:
    blocks = shape(column_blocks={Kind.POINTWISE: 16})
    assert seconds(pointwise(64, 25), blocks) == pytest.approx(seconds(pointwise(64, 32), blocks))


def test_an_activation_costs_its_traffic_its_elements_and_the_overhead() -> None:
    of = shape(byte_macs=2.0, element_macs={Kind.SILU: 50.0}, overhead_macs=1e5)
    assert seconds(silu(1000), of) == pytest.approx((4 * 2000 * 2.0 + 50_000 + 1e5) / 1e9)


def priors() -> Priors:
    return Priors(
        rates={},
        half_outputs={Kind.POINTWISE: Prior(10.0, 1.0)},
        half_inputs={},
        weight_copies=Prior(1.0, 0.0),
        column_blocks={},
        element_macs={Kind.SILU: Prior(50.0, 1.0)},
        byte_macs=Prior(1e-6, 0.0),
        overhead_macs=Prior(1e5, 1.0),
        serial_work_fraction=Prior(0.0, 0.0),
        serial_traffic_fraction=Prior(0.0, 0.0),
        spreads=ScaleSpreads(
            macs_per_s=0.3, traffic=0.0, overhead=0.0, activation=0.0, depthwise=0.0
        ),
    )


TRUE = shape(
    half_outputs={Kind.POINTWISE: 20.0},
    element_macs={Kind.SILU: 90.0},
    byte_macs=1e-6,
    overhead_macs=3e5,
)


def measured(device: str, macs_per_s: float) -> list[Measurement]:
    generator = np.random.default_rng(3)
    found = []
    for index in range(24):
        channels, pixels, depth = (
            int(generator.choice(options)) for options in ([8, 32, 128], [49, 784, 3136], [2, 9])
        )
        operators = [pointwise(channels, pixels), silu(channels * pixels)] * depth
        columns = Columns.of(operators[: 2 * depth - index % 2])
        time = latency_s(columns, TRUE, CostScale(macs_per_s=macs_per_s), bytes_per_element=4.0)
        found.append(
            Measurement(
                device=device, family=str(index), network=str(index), columns=columns,
                latency_s=time,
            )
        )  # fmt: skip
    return found


def test_a_fit_finds_the_parameters_that_made_the_figures_despite_an_outlier() -> None:
    rows = [*measured("slow", 1e9), *measured("fast", 7e9)]
    wrong = rows[5]
    rows[5] = Measurement(
        device=wrong.device, family="5", network="5", columns=wrong.columns,
        latency_s=3 * wrong.latency_s,
    )  # fmt: skip
    fitted = fit(rows, priors(), bytes_per_element=4.0)
    assert fitted.shape.element_macs[Kind.SILU] == pytest.approx(90.0, rel=0.05)
    assert fitted.shape.half_outputs[Kind.POINTWISE] == pytest.approx(20.0, rel=0.05)
    assert fitted.scales["fast"].macs_per_s == pytest.approx(7e9, rel=0.05)


def test_one_measurement_is_enough_to_scale_a_device() -> None:
    fitted = fit(measured("slow", 1e9), priors(), bytes_per_element=4.0)
    assert scale_from(fitted, measured("new", 5e9)[:1]).macs_per_s == pytest.approx(5e9, rel=0.03)


def test_a_first_layer_is_judged_by_its_macs_an_output_and_not_by_its_three_channels() -> None:
    first = convolution((3, 64), kernel=7, pixels=64, stride=2)
    halved = shape(half_depths={Kind.CONV_OTHER: 3.0 * 49})
    assert seconds(first, halved) == pytest.approx(2 * seconds(first, shape()))


@pytest.mark.parametrize(
    ("outputs", "factor"), [(128, 1.0), (84, 2.0), (126, 4.0)], ids=["whole", "half", "none"]
)
def test_channels_that_fit_no_vector_cost_the_factor_and_half_a_vector_its_root(
    outputs: int, factor: float
) -> None:
    head = convolution((512, outputs), kernel=3, pixels=64)
    vectors = shape(lanes=8, unaligned={Kind.CONV_3X3: 4.0})
    assert seconds(head, vectors) == pytest.approx(factor * seconds(head, shape()))


@pytest.mark.parametrize(
    ("operator", "factor"),
    [
        (convolution((16, 32), kernel=5, pixels=64), 3.0),
        (convolution((3, 64), kernel=7, pixels=64, stride=2), 1.0),
        (convolution((64, 64), kernel=3, pixels=64, stride=2), 1.0),
        (pointwise(64, 64), 1.0),
    ],
    ids=["5x5", "first layer", "3x3 stride 2", "pointwise"],
)
def test_only_large_kernels_behind_the_first_layer_cost_more(
    operator: Operator, factor: float
) -> None:
    assert seconds(operator, shape(large_kernel=3.0)) == pytest.approx(
        factor * seconds(operator, shape())
    )


def test_a_picture_is_padded_to_whole_tiles_both_ways() -> None:
    seven = convolution((64, 64), kernel=3, pixels=49)
    assert seconds(seven, shape(tile_side=4)) == pytest.approx(64 / 49 * seconds(seven, shape()))


def test_a_3x3_convolution_on_few_channels_runs_as_any_other() -> None:
    rates = {Kind.CONV_3X3: 4.0, Kind.CONV_OTHER: 0.5}
    few, many = (convolution((inputs, 64), kernel=3, pixels=64) for inputs in (3, 8))
    tiled = shape(rates=rates, tile_channels=8)
    assert seconds(few, tiled) == pytest.approx(few.macs / 0.5 / 1e9)
    assert seconds(many, tiled) == pytest.approx(many.macs / 4.0 / 1e9)


def test_a_byte_of_a_weight_has_a_price_of_its_own() -> None:
    bound = shape(byte_macs=1e6, weight_traffic=0.5)
    one = pointwise(64, 100)
    moved = one.input_elements + one.output_elements + one.weight_elements / 2
    assert seconds(one, bound) == pytest.approx(4.0 * moved * 1e6 / 1e9)


def test_a_device_has_its_own_speed_of_3x3_convolution() -> None:
    one = convolution((64, 64), kernel=3, pixels=64)
    quick = CostScale(macs_per_s=1e9, conv_3x3=2.0)
    told = latency_s(Columns.of([one]), shape(), quick, bytes_per_element=4.0)
    assert told == pytest.approx(seconds(one, shape()) / 2)


def test_each_byte_of_a_convolutions_weight_beyond_the_cache_has_a_price_on_top() -> None:
    weight_bytes = 4.0 * 64 * 64
    cached = shape(cache_bytes=weight_bytes, uncached_byte_macs=10.0)
    small = shape(cache_bytes=weight_bytes - 1000.0, uncached_byte_macs=10.0)
    within = seconds(pointwise(64, 100), cached)
    assert within == seconds(pointwise(64, 100), shape())
    assert seconds(pointwise(64, 100), small) == pytest.approx(within + 1000.0 * 10.0 / 1e9)
    matmul = replace(pointwise(64, 1), kind=Kind.MATMUL)
    assert seconds(matmul, small) == seconds(matmul, shape())


def test_without_a_price_of_its_own_the_cache_changes_nothing() -> None:
    assert seconds(pointwise(64, 100), shape(cache_bytes=1.0)) == seconds(
        pointwise(64, 100), shape()
    )
