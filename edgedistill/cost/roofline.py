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

from edgedistill.cost.operators import ACTIVATIONS, MULTIPLYING, Kind, Operator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_COUNTED = tuple(kind for kind in Kind if kind not in (Kind.FREE, Kind.POSTPROCESSING))


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What devices of one runtime, precision and ISA level share.

    Attributes:
        rates: Speed of each multiplying kind, relative to pointwise convolution. A kind that is
            absent has speed 1.
        half_channels: Output channels at which a dense operator reaches half its speed.
        element_macs: Cost of one output element by kind, in pointwise multiply-accumulates.
        byte_macs: Pointwise multiply-accumulates in the time that one byte takes.
        overhead_macs: Pointwise multiply-accumulates in the time that any operator costs.
    """

    rates: Mapping[Kind, float]
    half_channels: float
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
    elements: Floats
    """Elements read and written, weights included."""
    outputs: Floats
    """Elements written."""
    channels: Floats
    """Output channels; infinite where the share of packing does not apply."""

    @classmethod
    def of(cls, operators: Sequence[Operator]) -> Columns:
        """The columns of a network."""
        kept = [operator for operator in operators if operator.kind in _COUNTED]
        dense = {Kind.POINTWISE, Kind.CONV_3X3, Kind.CONV_OTHER}
        return cls(
            np.array([KINDS.index(operator.kind) for operator in kept], dtype=np.intp),
            np.array([operator.macs for operator in kept], dtype=float),
            np.array([operator.elements for operator in kept], dtype=float),
            np.array([operator.output_elements for operator in kept], dtype=float),
            np.array(
                [
                    operator.output_channels
                    if operator.kind in dense and operator.output_channels
                    else np.inf
                    for operator in kept
                ],
                dtype=float,
            ),
        )


KINDS = tuple(Kind)
_MULTIPLYING = np.array([kind in MULTIPLYING for kind in KINDS])
_DEPTHWISE = KINDS.index(Kind.DEPTHWISE)


def operator_latencies_s(
    columns: Columns, shape: Shape, scale: Scale, *, bytes_per_element: float
) -> Floats:
    """Seconds of each operator, [operators]."""
    rates = np.array([shape.rates.get(kind, 1.0) for kind in KINDS])
    rates[_DEPTHWISE] *= scale.depthwise
    costs = np.array(
        [shape.element_macs.get(kind, 0.0) if kind in ACTIVATIONS else 0.0 for kind in KINDS]
    )
    packing = 1.0 + shape.half_channels / columns.channels
    work = columns.macs / rates[columns.kinds] * packing
    traffic = columns.elements * bytes_per_element * shape.byte_macs * scale.traffic
    roof = np.where(_MULTIPLYING[columns.kinds], np.maximum(work, traffic), traffic)
    activation = columns.outputs * costs[columns.kinds] * scale.activation
    overhead = shape.overhead_macs * scale.overhead
    seconds: Floats = (roof + overhead + activation) / scale.macs_per_s
    return seconds


def latency_s(columns: Columns, shape: Shape, scale: Scale, *, bytes_per_element: float) -> float:
    """Seconds of a whole network at batch 1, one operator after another."""
    parts = operator_latencies_s(columns, shape, scale, bytes_per_element=bytes_per_element)
    return float(parts.sum())
