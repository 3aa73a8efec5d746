"""Cross-layer equalization: no channel's weights are lost beside another's.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction" (arXiv
1906.04721), section 4.1. Relu6 is left alone: with factors of their own its channels would need
bounds of their own, and replacing it by Relu, as the paper does, gives another network. High biases
are not absorbed (section 4.1.3) for the same reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

from edgedistill.stages.quantize.junctions import (
    Junction,
    constants_of,
    divide,
    junctions,
    put_back,
)
from edgedistill.stages.quantize.walking import Walk, few_samples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import CalibrationSet

_MOST_ROUNDS = 100
_SETTLED = 1e-3
"""A round that changes no factor by more ends it."""


def equalize(
    prepared: onnx.ModelProto, samples: CalibrationSet, context: StageContext
) -> onnx.ModelProto:
    """Gives each channel between two linear operators the same range of weights on both sides.

    Both ranges become the geometric mean of what they were (equation 11 of the paper), again and
    again over all pairs until nothing changes: a depthwise convolution is in two pairs. It matters
    most where weights have one scale a tensor. Beyond the paper, no channel may rise above the
    greatest activation of its tensor on the samples: a channel whose weights are tiny beside its
    bias would.

    Args:
        prepared: The float graph.
        samples: Calibration samples; some of them are used where there are many.
        context: Threads and progress.

    Returns:
        A graph of the same function, but for rounding of floats.
    """
    equalized = onnx.ModelProto()
    equalized.CopyFrom(prepared)
    found = [item for item in junctions(prepared.graph) if item.linear]
    if not found:
        return equalized
    least = _least_factors(prepared, found, samples, context)
    values = constants_of(prepared.graph, found)
    factors = {item.tensor: np.ones(least[item.tensor].shape) for item in found}
    for _ in range(_MOST_ROUNDS):
        changes = [_even_out(item, factors, least[item.tensor], values) for item in found]
        if max(changes) < _SETTLED:
            break
    put_back(equalized.graph, values)
    return equalized


def _even_out(
    item: Junction,
    factors: dict[str, np.ndarray],
    least: np.ndarray,
    values: Mapping[str, np.ndarray],
) -> float:
    """Evens out one pair; the greatest change of a factor as a share of it."""
    made = item.makers[0].ranges(values[item.makers[0].name])
    read = np.max([side.ranges(values[side.name]) for side in item.readers], axis=0)
    there = (made > 0) & (read > 0)
    wanted = np.sqrt(np.where(there, made, 1.0) / np.where(there, read, 1.0))
    before = factors[item.tensor]
    factors[item.tensor] = np.maximum(before * wanted, least)
    change = factors[item.tensor] / before
    divide(item, change, values)
    return float(np.abs(change - 1).max())


def _least_factors(
    prepared: onnx.ModelProto,
    found: list[Junction],
    samples: CalibrationSet,
    context: StageContext,
) -> dict[str, np.ndarray]:
    """By tensor: what each channel may be divided by at least, so that none rises above all."""
    walk = Walk(prepared, few_samples(prepared, samples, context.threads), threads=context.threads)
    least = {}
    with context.progress.track("Equalizing channels", len(found)) as advance:
        for item in found:
            greatest = np.max(
                [_greatest(array, item.axis) for array in walk.values(item.tensor)], axis=0
            ).astype(np.float64)
            least[item.tensor] = greatest / max(greatest.max(), np.finfo(np.float32).tiny)
            advance()
    return least


def _greatest(array: np.ndarray, axis: int) -> np.ndarray:
    """The greatest magnitude of each channel, `[channels]`."""
    channels = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    found: np.ndarray = np.abs(channels).max(1)
    return found
