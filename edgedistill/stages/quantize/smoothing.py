"""SmoothQuant: channels of an activation that stand out give their size to the weights after it.

Xiao et al. 2022, "SmoothQuant" (arXiv 2211.10438), equation 4. The paper smooths what comes out of
a normalization; here also what a linear operator gives through a Relu, since the same factors go
into its weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx

from edgedistill.stages.quantize.junctions import (
    Junction,
    Side,
    constants_of,
    divide,
    junctions,
    put_back,
)
from edgedistill.stages.quantize.patches import filters, rows
from edgedistill.stages.quantize.walking import Walk, few_samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import CalibrationSet

_STRENGTHS = (0.25, 0.5, 0.75, 1.0)
"""Of the paper's alpha: 0 leaves it to the weights, 1 to the activation. Its default is 0.5."""

_ROWS = 1024
_LEAST_GAIN = 0.95
"""A junction is changed where its error becomes smaller by 5 %; less may be chance."""

_SMALLEST = 1 / 64
"""Of a range, as a share of the greatest one of its tensor. A channel that hardly moved on the
samples may move on others, and would be cut off if it had been enlarged to fill the range."""


def smooth(
    prepared: onnx.ModelProto, samples: CalibrationSet, context: StageContext
) -> onnx.ModelProto:
    """Divides channels of activations by factors and multiplies the weights after them.

    How far is chosen for each tensor by the error of its readers in eight bits, one scale a tensor
    for activations and one an output for weights; where none is better the tensor stays as it is.
    Ranges come from three quarters of the samples and errors from the others, so that a channel
    that moves on some samples only is not enlarged till others are cut off.

    Args:
        prepared: The float graph.
        samples: Calibration samples; some of them are used where there are many.
        context: Threads, seed and progress.

    Returns:
        A graph of the same function, but for rounding of floats.
    """
    smoothed = onnx.ModelProto()
    smoothed.CopyFrom(prepared)
    found = junctions(prepared.graph)
    if not found:
        return smoothed
    values = constants_of(prepared.graph, found)
    walk = Walk(prepared, few_samples(prepared, samples, context.threads), threads=context.threads)
    with context.progress.track("Smoothing activations", len(found)) as advance:
        for item in found:
            seen = _Seen.of(item, walk.values(item.tensor), values, context.seed)
            divide(item, seen.best_factors(), values)
            advance()
    put_back(smoothed.graph, values)
    return smoothed


@dataclass(frozen=True)
class _Reader:
    """An operator after a tensor.

    Attributes:
        given: Rows of its inputs, `[groups, rows, inputs]`.
        weight: Of the float operator, `[groups, outputs, inputs]`.
        channels: Of the tensor, which one each input is, `[groups, 1, inputs]`.
    """

    given: np.ndarray
    weight: np.ndarray
    channels: np.ndarray

    def error(self, factors: np.ndarray, low: float, high: float) -> float:
        """Mean square of what eight bits lose, as a share of the output's.

        Args:
            factors: By channel of the tensor.
            low: Least value of the divided tensor.
            high: Its greatest.
        """
        size = factors[self.channels]
        given = _rounded_activation(self.given / size, low, high)
        weight = _rounded_weight(self.weight * size)
        wanted = self.given @ self.weight.transpose(0, 2, 1)
        missed = given @ weight.transpose(0, 2, 1) - wanted
        return float(np.mean(missed**2) / max(np.mean(wanted**2), np.finfo(np.float32).tiny))


@dataclass(frozen=True)
class _Seen:
    """A tensor on the samples, and who reads it.

    Attributes:
        low: Least value of each channel, `[channels]`.
        high: Greatest value of each channel.
        weights: Greatest weight that reads each channel.
        readers: Who reads it.
    """

    low: np.ndarray
    high: np.ndarray
    weights: np.ndarray
    readers: tuple[_Reader, ...]

    @classmethod
    def of(
        cls,
        item: Junction,
        arrays: Sequence[np.ndarray],
        values: Mapping[str, np.ndarray],
        seed: int,
    ) -> _Seen:
        few = len(arrays) < 4
        shown = [array for place, array in enumerate(arrays) if few or place % 4 != 3]
        judged = [array for place, array in enumerate(arrays) if few or place % 4 == 3]
        flat = [
            np.moveaxis(array, item.axis, 0).reshape(array.shape[item.axis], -1) for array in shown
        ]
        return cls(
            np.min([part.min(1) for part in flat], axis=0).astype(np.float64),
            np.max([part.max(1) for part in flat], axis=0).astype(np.float64),
            np.max([side.ranges(values[side.name]) for side in item.readers], axis=0),
            tuple(_reader(side, judged, values[side.name], seed) for side in item.readers),
        )

    def best_factors(self) -> np.ndarray:
        """What to divide the channels by."""
        unchanged = np.ones(self.low.shape)
        best, least = unchanged, self._error(unchanged) * _LEAST_GAIN
        for strength in _STRENGTHS:
            factors = self._factors(strength)
            error = self._error(factors)
            if error < least:
                best, least = factors, error
        return best

    def _factors(self, strength: float) -> np.ndarray:
        """Equation 4, made so that the greatest activation stays."""
        ranges = np.maximum(np.abs(self.low), np.abs(self.high))
        there = (ranges > 0) & (self.weights > 0)
        size = np.maximum(ranges, _SMALLEST * ranges.max())
        weights = np.maximum(self.weights, _SMALLEST * self.weights.max())
        factors = np.where(there, size, 1.0) ** strength
        factors /= np.where(there, weights, 1.0) ** (1 - strength)
        if not there.any():
            return np.ones(ranges.shape)
        factors *= (ranges[there] / factors[there]).max() / ranges.max()
        return np.where(there, factors, 1.0)

    def _error(self, factors: np.ndarray) -> float:
        low, high = float((self.low / factors).min()), float((self.high / factors).max())
        return sum(reader.error(factors, low, high) for reader in self.readers)


def _reader(side: Side, arrays: Sequence[np.ndarray], held: np.ndarray, seed: int) -> _Reader:
    if side.node is None:
        raise TypeError(side.name)  # a reader is an operator
    generator = np.random.default_rng(seed)
    kernel = held.shape[2:] if side.node.op_type == "Conv" else ()
    per_sample = -(-_ROWS // len(arrays))
    some = [
        rows(side.node, array, kernel, np.sort(generator.random(per_sample))) for array in arrays
    ]
    weight = filters(side.node, held).copy()
    groups, _, width = weight.shape
    places = int(np.prod(kernel))
    channels = np.arange(groups * width // places).reshape(groups, 1, -1).repeat(places, axis=2)
    return _Reader(np.concatenate(some, axis=1), weight, channels)


def _rounded_activation(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rounded to 256 steps between the extremes of a tensor, 0 among them."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / 255 or 1.0
    zero = round(-low / step)
    found: np.ndarray = (np.clip(np.rint(values / step) + zero, 0, 255) - zero) * step
    return found


def _rounded_weight(values: np.ndarray) -> np.ndarray:
    """Rounded to 255 steps of each output's own size, `[groups, outputs, inputs]`."""
    step = np.abs(values).max(axis=2, keepdims=True) / 127
    step = np.where(step > 0, step, 1.0)
    found: np.ndarray = np.rint(values / step) * step
    return found
