"""Where to cut off an activation's range, from how often it takes which values.

The percentile is onnxruntime's, with its bins, so that ranges are those of its calibrator; the
squared error is our own. What loses the least information stands in `divergence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.stages.quantize.histograms import Histogram

_FRACTIONS = np.geomspace(1, 0.01, 16)
_REFINEMENTS = (0.3, 0.08, 0.02)
_MANY_LEVELS = 1024


@dataclass(frozen=True)
class Levels:
    """What an activation is rounded to.

    Attributes:
        count: How many values an activation can take.
        symmetric: Whether they lie symmetrically around zero.
    """

    count: int = 256
    symmetric: bool = False

    @classmethod
    def of(cls, scheme: QuantizationScheme) -> Levels:
        """A scheme's: onnxruntime leaves out the lowest level where it quantizes symmetrically."""
        return cls(255, symmetric=True) if scheme.symmetric_activation else cls()


EIGHT_BITS = Levels()


def inside(low: float, high: float, least: float, greatest: float) -> tuple[float, float]:
    """The range without what no value reaches, and never upside down."""
    low, high = max(low, least), min(high, greatest)
    return (low, high) if low <= high else (low, low)


def bin_edges(low: float, high: float, bins: int) -> np.ndarray:
    """The edges between which onnxruntime counts, float32 `[bins + 1]`, symmetric around zero."""
    reach = np.float32(max(abs(low), abs(high)))
    edges: np.ndarray = np.histogram_bin_edges(
        np.zeros(0, np.float32), bins, range=(float(-reach), float(reach))
    )
    return edges.astype(np.float32)


def percentile(histogram: Histogram, share: float, bins: int) -> tuple[float, float]:
    """The range that holds a share of the values, the rest lying half below and half above.

    Args:
        histogram: Of the activation.
        share: In percent.
        bins: Of the histogram that onnxruntime would have counted in.
    """
    if histogram.low == histogram.high:
        return histogram.low, histogram.high
    edges = bin_edges(histogram.low, histogram.high, bins)
    counts = histogram.counts_between(edges)
    below = np.cumsum(counts / counts.sum())
    cut = (100 - share) / 200
    last = bins - 1  # rounding may leave the whole at a little less than one
    low = edges[min(int(np.searchsorted(below, cut)), last)]
    high = edges[min(int(np.searchsorted(below, 1 - cut)), last)]
    return inside(float(low), float(high), histogram.low, histogram.high)


def least_squared_error(histogram: Histogram, levels: Levels) -> tuple[float, float]:
    """The range that holds zero and whose rounding and clipping lose the least, squared.

    A grid over both ends, made finer three times around the best. Within a bin values count as
    evenly spread.

    Args:
        histogram: Of the activation.
        levels: What values are rounded to.
    """
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if levels.symmetric:
        high = max(-low, high)
        low = 0.0  # one end is free; the other mirrors it
    if low == high:
        return low, high
    moments = _Moments(histogram)

    def best_of(lows: np.ndarray, highs: np.ndarray) -> tuple[float, float]:
        grid_lows, grid_highs = (axis.ravel() for axis in np.meshgrid(lows, highs))
        ends = -grid_highs if levels.symmetric else grid_lows
        losses = _squared_errors(moments, ends, grid_highs, levels)
        place = int(np.argmin(losses))
        return float(grid_lows[place]), float(grid_highs[place])

    # the whole range comes first, and wins where nothing is better
    found = best_of(_ends(low, _FRACTIONS), _ends(high, _FRACTIONS))
    for reach in _REFINEMENTS:
        around = 1 + reach * np.linspace(-1, 1, 9)
        lows = np.maximum(_ends(found[0], around), low)
        highs = np.minimum(_ends(found[1], around), high)
        found = best_of(lows, highs)
    return (-found[1], found[1]) if levels.symmetric else found


def _ends(end: float, fractions: np.ndarray) -> np.ndarray:
    return end * fractions if end else np.zeros(1)


class _Moments:
    """Sums of 1, x and x squared over the values below a bound."""

    def __init__(self, histogram: Histogram) -> None:
        self.edges, self.width = histogram.edges, histogram.bin_width
        # per unit of length, so that a cut bin's share is an integral
        density = histogram.counts / self.width
        self.density = np.append(density, 0.0)
        powers = [self.edges ** (power + 1) / (power + 1) for power in range(3)]
        self.below = [
            np.concatenate([[0.0], np.cumsum(density * np.diff(power))]) for power in powers
        ]

    def up_to(self, bounds: np.ndarray) -> tuple[np.ndarray, ...]:
        """The three sums below each bound, of the bounds' shape."""
        bounds = np.clip(bounds, self.edges[0], self.edges[-1])
        place = ((bounds - self.edges[0]) / self.width).astype(np.intp)
        start, density = self.edges[place], self.density[place]
        return tuple(
            below[place] + density * (bounds ** (power + 1) - start ** (power + 1)) / (power + 1)
            for power, below in enumerate(self.below)
        )

    def squared_distance(self, bounds: np.ndarray, centers: np.ndarray) -> np.ndarray:
        """How far values are from the centers of the cells they fall into, squared and summed.

        Args:
            bounds: Between cells, `[candidates, cells - 1]`.
            centers: `[candidates, cells]`.
        """
        total = np.zeros(len(bounds))
        weights = (centers**2, -2 * centers, np.ones_like(centers))
        for sums, whole, weight in zip(self.up_to(bounds), self.below, weights, strict=True):
            total += (np.diff(sums, axis=1, prepend=0.0, append=whole[-1]) * weight).sum(axis=1)
        return total


def _squared_errors(
    moments: _Moments, lows: np.ndarray, highs: np.ndarray, levels: Levels
) -> np.ndarray:
    """The summed squared error of each range, `[candidates]`."""
    steps = (highs - lows) / (levels.count - 1)
    if levels.count > _MANY_LEVELS:  # finer than the bins: rounding loses step^2 / 12 (Bennett)
        ends = np.stack([lows, highs], axis=1)
        inside = np.diff(moments.up_to(ends)[0], axis=1)[:, 0]
        lost: np.ndarray = _clipping(moments, ends) + inside * steps**2 / 12
        return lost
    zero = np.round(-lows / steps)
    index = np.arange(levels.count) - zero[:, None]
    centers = index * steps[:, None]
    bounds = (index[:, :-1] + 0.5) * steps[:, None]
    return moments.squared_distance(bounds, centers)


def _clipping(moments: _Moments, ends: np.ndarray) -> np.ndarray:
    """The summed squared distance of what is outside from the range, `[candidates]`."""
    error: np.ndarray = np.zeros(len(ends))
    weights = (ends**2, -2 * ends, np.ones_like(ends))
    for sums, whole, weight in zip(moments.up_to(ends), moments.below, weights, strict=True):
        error += sums[:, 0] * weight[:, 0] + (whole[-1] - sums[:, 1]) * weight[:, 1]
    return error
