"""The latency model: a sum over operators, each a roofline with an overhead.

The time of an operator is

    max(MACs / (rate_kind * c / (c + c_half)), bytes / bandwidth) + overhead + elements * activation

with c its output channels. Everything but the speed of the device is written in multiples of one
multiply-accumulate of a wide pointwise convolution, so that a *shape* (one a runtime, precision and
ISA level) can be shared between devices and a *scale* (one a device) makes it time. The roofline is
that of Williams, Waterman and Patterson (2009); c / (c + c_half) is Hockney's half-performance
length (1982), here for the packing of the picture, which each output channel pays a share of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.cost.operators import MULTIPLYING, Kind, Operator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_COUNTED = tuple(kind for kind in Kind if kind not in (Kind.FREE, Kind.POSTPROCESSING))
_DENSE = (Kind.POINTWISE, Kind.CONV_3X3, Kind.CONV_OTHER)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What devices of one runtime, precision and ISA level share.

    Attributes:
        rates: Speed of each multiplying kind, relative to pointwise convolution. A kind that is
            absent has speed 1.
        half_outputs: Output channels at which a kind reaches half its speed; 0 where absent. What
            the packing of the picture costs is shared by all of them.
        half_inputs: The same for input channels: what writing the result costs.
        weight_copies: How often a 3x3 stride-1 convolution's weight passes through memory, in
            multiples of its size: Winograd's transformed weights are 16/9 to 64/9 as large.
        column_blocks: Pixels that all threads compute at once, by kind; a picture is padded up to a
            multiple.
        element_macs: Cost of one output element by kind, in pointwise multiply-accumulates.
        byte_macs: Pointwise multiply-accumulates in the time that one byte takes.
        overhead_macs: Pointwise multiply-accumulates in the time that any operator costs.
    """

    rates: Mapping[Kind, float]
    half_outputs: Mapping[Kind, float]
    half_inputs: Mapping[Kind, float]
    weight_copies: float
    column_blocks: Mapping[Kind, int]
    element_macs: Mapping[Kind, float]
    byte_macs: float
    overhead_macs: float


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What a device has of its own; 1 is what the shape expects.

    Attributes:
        macs_per_s: Speed of a wide pointwise convolution.
        traffic: Factor on the time of a byte.
        overhead: Factor on the overhead of an operator.
        activation: Factor on the cost of an element.
        depthwise: Factor on the speed of depthwise convolution.
    """

    macs_per_s: float
    traffic: float = 1.0
    overhead: float = 1.0
    activation: float = 1.0
    depthwise: float = 1.0


@dataclass(frozen=True)
class Columns:
    """The operators of one network as columns, [operators] each, views left out."""

    kinds: NDArray[np.intp]
    """Place of the operator's kind in `list(Kind)`."""
    macs: Floats
    weights: Floats
    """Elements of the weight."""
    moved: Floats
    """Elements read and written, without the weight."""
    outputs: Floats
    """Elements written."""
    channels_in: Floats
    """Input channels; infinite where there are none."""
    channels_out: Floats
    """Output channels; infinite where there are none."""
    pixels: Floats
    """Height times width of the output; infinite where there is no picture."""

    @classmethod
    def of(cls, operators: Sequence[Operator]) -> Columns:
        """The columns of a network."""
        kept = [one for one in operators if one.kind in _COUNTED]
        macs = np.array([one.macs for one in kept], dtype=float)
        inputs, outputs, weights, read, written = (
            np.array(column, dtype=float)
            for column in (
                [one.input_channels or np.inf for one in kept],
                [one.output_channels or np.inf for one in kept],
                [one.weight_elements for one in kept],
                [one.input_elements for one in kept],
                [one.output_elements for one in kept],
            )
        )
        dense = np.array([one.kind in _DENSE for one in kept], dtype=bool)
        pixels = np.where(dense, written / outputs, np.inf)
        kinds = np.array([KINDS.index(one.kind) for one in kept], dtype=np.intp)
        return cls(kinds, macs, weights, read + written, written, inputs, outputs, pixels)


KINDS = tuple(Kind)
_MULTIPLYING = np.array([kind in MULTIPLYING for kind in KINDS])
_WINOGRAD = KINDS.index(Kind.CONV_3X3)
_DEPTHWISE = KINDS.index(Kind.DEPTHWISE)


def operator_latencies_s(
    columns: Columns, shape: Shape, scale: Scale, *, bytes_per_element: float
) -> Floats:
    """Seconds of each operator, [operators]."""
    rates = _by_kind(shape.rates, 1.0)
    rates[_DEPTHWISE] *= scale.depthwise
    kinds = columns.kinds
    costs = _by_kind(shape.element_macs, 0.0)
    packing = (
        1.0
        + _by_kind(shape.half_outputs, 0.0)[kinds] / columns.channels_out
        + _by_kind(shape.half_inputs, 0.0)[kinds] / columns.channels_in
    )
    blocks = _by_kind(shape.column_blocks, 1.0)[kinds]
    work = columns.macs / rates[kinds] * packing * padding(columns.pixels, blocks)
    copies = np.where(kinds == _WINOGRAD, shape.weight_copies, 1.0)
    elements = columns.moved + columns.weights * copies
    traffic = elements * bytes_per_element * shape.byte_macs * scale.traffic
    roof = np.where(_MULTIPLYING[kinds], np.maximum(work, traffic), traffic)
    activation = columns.outputs * costs[kinds] * scale.activation
    overhead = shape.overhead_macs * scale.overhead
    seconds: Floats = (roof + overhead + activation) / scale.macs_per_s
    return seconds


def padding(pixels: Floats, block: Floats) -> Floats:
    """Pixels computed for each that is wanted, where kernels compute whole blocks of them.

    >>> padding(np.array([25.0, 64.0, np.inf]), np.full(3, 16.0))
    array([1.28, 1.  , 1.  ])
    """
    finite = np.where(np.isfinite(pixels), pixels, block)
    factors: Floats = np.ceil(finite / block) * block / finite
    return factors


def _by_kind(values: Mapping[Kind, float], absent: float) -> Floats:
    return np.array([values.get(kind, absent) for kind in KINDS])


def latency_s(columns: Columns, shape: Shape, scale: Scale, *, bytes_per_element: float) -> float:
    """Seconds of a whole network at batch 1, one operator after another."""
    parts = operator_latencies_s(columns, shape, scale, bytes_per_element=bytes_per_element)
    return float(parts.sum())
