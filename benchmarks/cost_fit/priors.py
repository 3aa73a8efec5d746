"""What is assumed of a runtime before its figures are read.

The medians of rates come from the structure of the kernels, the spreads say how far a fit may move
them; both are wide on purpose where `../shared/published` has enough rows to say otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from edgedistill.core.cost_shape import ScaleSpreads
from edgedistill.core.operator_kind import Kind
from edgedistill.cost.fitting import Prior, Priors

_DENSE = (Kind.POINTWISE, Kind.CONV_3X3, Kind.CONV_OTHER)
_ELEMENTS = {
    Kind.SOFTMAX: Prior(60.0, 0.5),
    Kind.SIGMOID: Prior(50.0, 0.4),
    Kind.SILU: Prior(60.0, 0.5),
    Kind.HARD_SWISH: Prior(20.0, 0.5),
    Kind.GELU: Prior(100.0, 0.4),
    Kind.NORMALIZATION: Prior(20.0, 0.5),
}

ONNX_RUNTIME_FP32 = Priors(
    rates={
        Kind.CONV_3X3: Prior(1.0, 0.3),
        Kind.CONV_OTHER: Prior(0.9, 0.3),
        Kind.DEPTHWISE: Prior(0.07, 0.6),
        Kind.GROUPED: Prior(0.4, 0.5),
        Kind.MATMUL: Prior(0.6, 0.4),
        Kind.ATTENTION: Prior(0.6, 0.5),
    },
    half_outputs=dict.fromkeys(_DENSE, Prior(8.0, 0.7)),
    half_inputs=dict.fromkeys(_DENSE, Prior(4.0, 0.8)),
    # each channel of a depthwise convolution is a matrix product of its own, which has to be begun
    half_pixels={Kind.DEPTHWISE: Prior(20.0, 0.8)},
    weight_copies=Prior(1.0, 0.0),
    column_blocks={Kind.POINTWISE: 16, Kind.CONV_3X3: 32, Kind.CONV_OTHER: 32},
    element_macs=_ELEMENTS,
    byte_macs=Prior(5.0, 0.7),
    overhead_macs=Prior(2e5, 1.0),
    serial_work_fraction=Prior(0.04, 0.7),
    serial_traffic_fraction=Prior(0.3, 0.5),
    spreads=ScaleSpreads(macs_per_s=0.3, traffic=0.3, overhead=0.3, activation=0.2, depthwise=0.15),
)

_ALIGNED = (*_DENSE, Kind.DEPTHWISE)

NCNN_FP32 = Priors(
    rates={
        # F(4x4, 3x3) multiplies a quarter as often (Lavin and Gray 2016), and transforms cost
        Kind.CONV_3X3: Prior(2.5, 0.4),
        Kind.CONV_OTHER: Prior(0.9, 0.4),
        Kind.DEPTHWISE: Prior(0.3, 0.6),
        Kind.GROUPED: Prior(0.4, 0.5),
        Kind.MATMUL: Prior(0.6, 0.8),
        Kind.ATTENTION: Prior(0.6, 0.5),
    },
    half_outputs={
        Kind.POINTWISE: Prior(8.0, 0.8),
        Kind.CONV_3X3: Prior(40.0, 0.8),
        Kind.CONV_OTHER: Prior(8.0, 0.8),
    },
    half_inputs={Kind.CONV_3X3: Prior(20.0, 0.8)},
    half_depths={Kind.POINTWISE: Prior(4.0, 0.8), Kind.CONV_OTHER: Prior(10.0, 0.8)},
    unaligned=dict.fromkeys(_ALIGNED, Prior(1.5, 0.5)),
    lanes=4,
    large_kernel=Prior(1.5, 0.5),
    tile_side=4,
    tile_channels=8,
    weight_copies=Prior(4.0, 0.5),
    weight_traffic=Prior(1.0, 0.5),
    column_blocks=dict.fromkeys(_DENSE, 8),
    element_macs={kind: Prior(prior.value / 5, 0.6) for kind, prior in _ELEMENTS.items()},
    byte_macs=Prior(1.0, 0.7),
    overhead_macs=Prior(3e4, 1.0),
    serial_work_fraction=Prior(0.04, 0.7),
    serial_traffic_fraction=Prior(0.3, 0.5),
    spreads=ScaleSpreads(
        macs_per_s=0.3, traffic=0.5, overhead=0.5, activation=0.2, depthwise=0.25, conv_3x3=0.15
    ),
)
"""ncnn packs four channels in a vector of fp32; weights of a fully connected layer are stored in
fp16 or fp32 by its version, hence the spread of traffic."""

_FLOAT_PASS = 20.0
"""What an element costs on its detour through float, in multiply-accumulates: the convolution
before writes four bytes instead of one, the operator reads and writes four each, and a convolution
behind reads four and writes one. That is 14 bytes too many, at about one multiply-accumulate each,
and a conversion at either end."""

_FLOAT_DETOURS = {
    Kind.POOLING: Prior(40.0, 0.6),  # mostly of stride 2: four elements come for one that goes
    Kind.MOVEMENT: Prior(_FLOAT_PASS, 0.6),
    Kind.ELEMENTWISE: Prior(25.0, 0.6),  # two come
    Kind.RELU: Prior(10.0, 0.6),  # only behind an operator that is in float already
    Kind.NORMALIZATION: Prior(40.0, 0.6),
    **{
        kind: Prior(_FLOAT_PASS + NCNN_FP32.element_macs[kind].value, 0.6)
        for kind in (Kind.SIGMOID, Kind.SILU, Kind.HARD_SWISH, Kind.GELU)
    },
}
"""ncnn keeps int8 only between convolutions. Where a picture goes to any other operator, as the
scale terms of its int8 networks show (benchmark/*_int8.param), the convolution before turns its
sums into float, the operator works in float, and each convolution behind quantizes anew."""

NCNN_INT8 = replace(
    NCNN_FP32,
    rates={
        **NCNN_FP32.rates,
        Kind.CONV_3X3: Prior(3.0, 0.4),
        Kind.CONV_OTHER: Prior(0.95, 0.3),
        Kind.DEPTHWISE: Prior(0.26, 0.5),
    },
    half_outputs={
        Kind.POINTWISE: Prior(10.0, 0.4),
        Kind.CONV_3X3: Prior(30.0, 0.4),
        Kind.CONV_OTHER: Prior(7.0, 0.4),
    },
    half_inputs={Kind.CONV_3X3: Prior(24.0, 0.4)},
    half_depths={Kind.POINTWISE: Prior(3.5, 0.4), Kind.CONV_OTHER: Prior(20.0, 0.4)},
    unaligned={
        Kind.POINTWISE: Prior(1.3, 0.3),
        Kind.CONV_3X3: Prior(2.2, 0.3),
        Kind.CONV_OTHER: Prior(1.3, 0.3),
        Kind.DEPTHWISE: Prior(1.5, 0.3),
    },
    lanes=8,
    large_kernel=Prior(2.0, 0.4),
    element_macs={**NCNN_FP32.element_macs, **_FLOAT_DETOURS},
    spreads=NCNN_FP32.spreads.model_copy(update={"conv_3x3": 0.25}),
)
"""Seven networks were measured in int8; what they leave open is as in fp32, where 21 were."""

NCNN_FP16 = replace(
    NCNN_INT8,
    rates={**NCNN_INT8.rates, Kind.CONV_3X3: Prior(3.5, 0.4)},
    # twice the multiply-accumulates pass in the time that a call or an exponential takes
    element_macs={kind: Prior(2 * p.value, p.spread) for kind, p in NCNN_FP32.element_macs.items()},
    overhead_macs=Prior(1e5, 0.5),
    spreads=NCNN_FP32.spreads,
)
"""Eight channels in a vector; else what fp32 taught."""

NCNN_INT8_DOT_PRODUCT = replace(
    NCNN_INT8,
    rates={**NCNN_INT8.rates, Kind.CONV_3X3: NCNN_INT8.rates[Kind.CONV_OTHER]},
    half_outputs={
        **NCNN_INT8.half_outputs,
        Kind.CONV_3X3: NCNN_INT8.half_outputs[Kind.CONV_OTHER],
    },
    half_inputs={},
    half_depths={
        **NCNN_INT8.half_depths,
        Kind.CONV_3X3: NCNN_INT8.half_depths[Kind.CONV_OTHER],
    },
    large_kernel=Prior(3.0, 0.4),
    tile_side=1,
    tile_channels=0,
    weight_copies=Prior(1.0, 0.0),
)
"""Where a core has dot products, ncnn multiplies a 3x3 convolution out like any other dense one and
leaves Winograd alone (convolution_arm.cpp, create_pipeline_int8_arm). Versions of 2022 still took
it from 256 channels on, which is left to the devices' own factor. Large kernels cost about what
they cost in fp16, which is measured on such cores."""

ONNX_RUNTIME_INT8 = ONNX_RUNTIME_FP32
"""ONNX Runtime in int8: nothing is known beforehand that is not known of fp32."""

TFLITE = replace(
    ONNX_RUNTIME_FP32,
    rates={**ONNX_RUNTIME_FP32.rates, Kind.DEPTHWISE: Prior(0.15, 0.7)},
    half_outputs=dict.fromkeys(_DENSE, Prior(8.0, 0.8)),
    half_inputs=dict.fromkeys(_DENSE, Prior(4.0, 0.8)),
    half_pixels=dict.fromkeys(_DENSE, Prior(4.0, 0.8)),
    column_blocks=dict.fromkeys(_DENSE, 8),
    byte_macs=Prior(2.0, 0.7),
    spreads=ScaleSpreads(macs_per_s=0.3, traffic=0.6, overhead=1.0, activation=0.2, depthwise=0.4),
)
"""TensorFlow Lite and ArmNN, in fp32 and int8. Their boards have 4 to 12 processors, and what an
operator costs beyond its work is mostly waking them: overheads differ more than elsewhere."""

TFLITE_RUY = replace(
    TFLITE,
    # the Raspberry Pi 4 has 1 MiB for four processors, and each packs its part
    cache_bytes=2.0**18,
    uncached_byte_macs=Prior(2.0, 0.7),
)
"""TensorFlow Lite with ruy packs weights at each inference: those of wide layers come from memory
and go back there, those of narrow ones stay in the cache. The cache was chosen on the folds."""
