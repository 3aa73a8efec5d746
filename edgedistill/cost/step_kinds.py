"""Kinds of steps that are no convolution and no matrix product.

A standard operator that is in no table here is arithmetic on elements.
"""

from __future__ import annotations

from edgedistill.core.operator_kind import Kind

_NAMES: dict[Kind, str] = {
    Kind.FREE: "Dropout Flatten Identity Reshape Squeeze Unsqueeze",
    Kind.POOLING: "ArgMax ArgMin AveragePool GlobalAveragePool GlobalLpPool GlobalMaxPool LpPool "
    "MaxPool MaxUnpool ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean "
    "ReduceMin ReduceProd ReduceSum ReduceSumSquare",
    Kind.MOVEMENT: "CastLike Cast CenterCropPad Col2Im Compress Concat ConstantOfShape "
    "DepthToSpace Expand EyeLike Gather GatherElements GatherND OneHot Pad Range Resize "
    "ReverseSequence Scatter ScatterElements ScatterND Slice SpaceToDepth Split TensorScatter "
    "Tile Transpose Trilu Upsample",
    Kind.NORMALIZATION: "GroupNormalization InstanceNormalization LRN LayerNormalization "
    "LpNormalization MeanVarianceNormalization RMSNormalization SkipLayerNormalization",
    Kind.SOFTMAX: "Hardmax LogSoftmax Softmax",
    Kind.SIGMOID: "Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Elu Erf Exp Log Selu Sigmoid "
    "Sin Sinh Softplus Softsign Tan Tanh",
    Kind.SILU: "Silu Swish",
    Kind.HARD_SWISH: "HardSigmoid HardSwish",
    Kind.GELU: "Gelu",
    Kind.RELU: "Clip LeakyRelu PRelu Relu Shrink ThresholdedRelu",
    Kind.QUANTIZE: "DequantizeLinear DynamicQuantizeLinear QuantizeLinear",
    Kind.POSTPROCESSING: "NonMaxSuppression NonZero RoiAlign TopK Unique",
    Kind.ATTENTION: "Attention",
}

KINDS: dict[str, Kind] = {op: kind for kind, names in _NAMES.items() for op in names.split()}
"""Operator to its kind."""

SEVERAL: dict[str, tuple[Kind, ...]] = {
    "Mish": (Kind.SIGMOID, Kind.SIGMOID, Kind.ELEMENTWISE),  # softplus, tanh, product
}
"""Operators that the runtime runs as several, to the kinds of those."""

LIGHT_INPUTS: dict[str, int] = {
    **dict.fromkeys(("Clip", "Expand", "OneHot", "Pad", "Resize", "Slice", "Split"), 1),
    **dict.fromkeys(("Tile", "Upsample", "QuantizeLinear", "DequantizeLinear", "Cast"), 1),
    **{op: 1 for op in KINDS if op.startswith("Reduce") or KINDS[op] is Kind.FREE},
}
"""Operators to the number of their inputs that are data; the rest are axes, bounds, scales."""

READ_IN_PART = frozenset({"Gather", "GatherElements", "GatherND", "Slice", "Expand"})
"""Operators that read as much as they write, however large what they read from."""
