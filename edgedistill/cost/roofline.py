"""The latency model: a sum over operators, each a roofline with an overhead.

The time of an operator is

    max(MACs / (rate_kind * c / (c + c_half)), bytes / bandwidth) + overhead + elements * activation

with c its output channels. Where a runtime packs weights at each inference, there is a time on top
for each byte of a convolution's weight that a processor's cache does not hold. Everything but the
speed of the device is written in multiples of one multiply-accumulate of a wide pointwise
convolution, so that a *shape* (one a runtime, precision and ISA level) can be shared between
devices and a *scale* (one a device) makes it time. The roofline is that of Williams, Waterman and
Patterson (2009); c / (c + c_half) is Hockney's half-performance length (1982), here for the packing
of the picture, which each output channel pays a share of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.operator_kind import MULTIPLYING, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgedistill.core.cost_shape import CostScale, CostShape
    from edgedistill.cost.operators import Operator

    Floats = NDArray[np.float64]

COUNTED = tuple(kind for kind in Kind if kind not in (Kind.FREE, Kind.POSTPROCESSING))
"""Kinds that take time which the model can tell."""
_ON_PICTURES = (
    Kind.POINTWISE,
    Kind.CONV_3X3,
    Kind.CONV_OTHER,
    Kind.DEPTHWISE,
    Kind.GROUPED,
)


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
        kept = [one for one in operators if one.kind in COUNTED]
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
        on_pictures = np.array([one.kind in _ON_PICTURES for one in kept], dtype=bool)
        pixels = np.where(on_pictures & np.isfinite(outputs), written / outputs, np.inf)
        kinds = np.array([KINDS.index(one.kind) for one in kept], dtype=np.intp)
        return cls(kinds, macs, weights, read + written, written, inputs, outputs, pixels)


KINDS = tuple(Kind)
_MULTIPLYING = np.array([kind in MULTIPLYING for kind in KINDS])
_CONVOLVES = np.array([kind in _ON_PICTURES for kind in KINDS])
_WINOGRAD = KINDS.index(Kind.CONV_3X3)
_DEPTHWISE = KINDS.index(Kind.DEPTHWISE)
STEM_CHANNELS = 8
"""A convolution on fewer channels is a network's first layer, for which runtimes have kernels."""
_OTHER = KINDS.index(Kind.CONV_OTHER)


def operator_latencies_s(
    columns: Columns,
    shape: CostShape,
    scale: CostScale,
    *,
    bytes_per_element: float,
    threads: NDArray[np.intp] | float = 1,
) -> Floats:
    """Seconds of each operator, [operators].

    Args:
        columns: The operators, of one network or of several laid end to end.
        shape: What the runtime has in common on all devices.
        scale: What the device has of its own.
        bytes_per_element: Bytes of a number.
        threads: Of the whole, or of each operator; a fraction where some run on slower cores.
    """
    rates = _by_kind(shape.rates, 1.0)
    rates[_DEPTHWISE] *= scale.depthwise
    rates[_WINOGRAD] *= scale.conv_3x3
    kinds = np.where(_few_channels(columns, shape.tile_channels), _OTHER, columns.kinds)
    costs = _by_kind(shape.element_macs, 0.0)
    packing = (
        1.0
        + _by_kind(shape.half_outputs, 0.0)[kinds] / columns.channels_out
        + _by_kind(shape.half_inputs, 0.0)[kinds] / columns.channels_in
        + _by_kind(shape.half_pixels, 0.0)[kinds] / columns.pixels
        + _by_kind(shape.half_depths, 0.0)[kinds] * columns.outputs / np.maximum(columns.macs, 1.0)
    )
    packing *= _by_kind(shape.unaligned, 1.0)[kinds] ** _misfit(columns, shape.lanes)
    packing *= np.where(_large_kernels(columns), shape.large_kernel, 1.0)
    blocks = _by_kind(shape.column_blocks, 1.0)[kinds]
    padded = padding(columns.pixels, blocks)
    if shape.tile_side > 1:
        tiles = tiling(columns.pixels, shape.tile_side)
        padded = np.where(kinds == _WINOGRAD, tiles, padded)
    shared_work = amdahl(shape.serial_work_fraction, threads)
    shared_traffic = amdahl(shape.serial_traffic_fraction, threads)
    work = columns.macs / rates[kinds] * packing * padded * shared_work
    copies = np.where(kinds == _WINOGRAD, shape.weight_copies, 1.0) * shape.weight_traffic
    elements = columns.moved + columns.weights * copies
    traffic = elements * bytes_per_element * shape.byte_macs * scale.traffic * shared_traffic
    roof = np.where(_MULTIPLYING[kinds], np.maximum(work, traffic), traffic)
    spilled = _beyond_cache(columns, shape.cache_bytes, bytes_per_element)
    uncached = spilled * shape.uncached_byte_macs * scale.traffic * shared_traffic
    activation = columns.outputs * costs[kinds] * scale.activation * shared_work
    overhead = shape.overhead_macs * scale.overhead
    seconds: Floats = (roof + uncached + overhead + activation) / scale.macs_per_s
    return seconds


def amdahl(serial: float, threads: NDArray[np.intp] | float) -> NDArray[np.float64] | float:
    """Time on some threads as a part of the time on one (Amdahl 1967).

    >>> amdahl(0.25, 3)
    0.5
    """
    return serial + (1.0 - serial) / threads


def padding(pixels: Floats, block: Floats) -> Floats:
    """Pixels computed for each that is wanted, where kernels compute whole blocks of them.

    >>> padding(np.array([25.0, 64.0, np.inf]), np.full(3, 16.0))
    array([1.28, 1.  , 1.  ])
    """
    finite = np.where(np.isfinite(pixels), pixels, block)
    factors: Floats = np.ceil(finite / block) * block / finite
    return factors


def tiling(pixels: Floats, side: int) -> Floats:
    """Pixels computed for each that is wanted, where a square picture is cut into square tiles.

    >>> tiling(np.array([49.0, 64.0, np.inf]), 4)
    array([1.30612245, 1.        , 1.        ])
    """
    finite = np.where(np.isfinite(pixels), pixels, side**2)
    factors: Floats = (np.ceil(np.sqrt(finite) / side) * side) ** 2 / finite
    return factors


def _few_channels(columns: Columns, least: int) -> NDArray[np.bool_]:
    fewest = np.minimum(columns.channels_in, columns.channels_out)
    few: NDArray[np.bool_] = (columns.kinds == _WINOGRAD) & (fewest < least)
    return few


def _misfit(columns: Columns, lanes: int) -> Floats:
    """0 where all channels fit whole vectors, 1/2 where they fit half ones, else 1."""
    misfit = np.zeros(columns.kinds.size)
    for channels in (columns.channels_in, columns.channels_out):
        finite = np.where(np.isfinite(channels), channels, 0.0)
        half = np.where(finite % (lanes / 2) > 0.0, 1.0, 0.5)
        misfit = np.maximum(misfit, np.where(finite % lanes > 0.0, half, 0.0))
    return misfit


def _large_kernels(columns: Columns) -> NDArray[np.bool_]:
    area = columns.macs / np.maximum(columns.outputs, 1.0) / columns.channels_in
    large: NDArray[np.bool_] = (
        (columns.kinds == _OTHER) & (area > 9.5) & (columns.channels_in >= STEM_CHANNELS)
    )
    return large


def _beyond_cache(columns: Columns, cache_bytes: float, bytes_per_element: float) -> Floats:
    """Bytes of a convolution's weight that find no place in a cache of so many."""
    beyond = np.maximum(columns.weights * bytes_per_element - cache_bytes, 0.0)
    spilled: Floats = np.where(_CONVOLVES[columns.kinds], beyond, 0.0)
    return spilled


def _by_kind(values: Mapping[Kind, float], absent: float) -> Floats:
    return np.array([values.get(kind, absent) for kind in KINDS])


def latency_s(
    columns: Columns,
    shape: CostShape,
    scale: CostScale,
    *,
    bytes_per_element: float,
    threads: int = 1,
) -> float:
    """Seconds of a whole network at batch 1, one operator after another."""
    parts = operator_latencies_s(
        columns, shape, scale, bytes_per_element=bytes_per_element, threads=threads
    )
    return float(parts.sum())
