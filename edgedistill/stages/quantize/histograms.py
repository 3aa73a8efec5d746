"""How often an activation takes which values, counted as they come by, in memory that stays flat.

The bins span [-reach, reach) with a reach that is a power of two. A value outside doubles the
reach: pairs of bins become one, as in NVIDIA's calibrators, and no count is lost or split. Scaling
by a power of two is exact in floating point, so each value is in the bin it would have been in had
the last reach been known from the start: the counts depend neither on the order of the values nor
on how they were dealt out. (Below about 1e-38 of the reach a negative value counts as zero.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

BINS = 1 << 14
"""Bins of every histogram. More than half of them lie between the extremes: at least four in each
of the 2048 bins that onnxruntime's percentile method counts in, sixteen in each of 512."""

_CHUNK = 1 << 16
"""Values that are counted at once: what is worked on stays in the processor's cache."""
_LEAST_EXPONENT = -100
"""Reaches below 2^-100 would need a scale that float32 does not hold."""


def _nothing() -> np.ndarray:
    return np.zeros(BINS, np.int64)


@dataclass(eq=False)
class Histogram:
    """Counts of finite values, and their extremes, which are exact.

    Attributes:
        counts: int64 `[BINS]`; bin i holds the values in [edge i, edge i + 1).
        exponent: The bins span [-2^exponent, 2^exponent).
        low: The least value, 0 where none was seen.
        high: The greatest value, 0 where none was seen.
    """

    counts: np.ndarray = field(default_factory=_nothing)
    exponent: int = _LEAST_EXPONENT
    low: float = 0.0
    high: float = 0.0

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    @property
    def bin_width(self) -> float:
        """Width of a bin, in the activation's unit."""
        return math.ldexp(2.0, self.exponent) / BINS

    @property
    def edges(self) -> np.ndarray:
        """Edges of the bins, float64 `[BINS + 1]`."""
        return (np.arange(BINS + 1) - BINS // 2) * self.bin_width

    def add(self, values: np.ndarray, low: float, high: float) -> None:
        """Counts values.

        Args:
            values: Finite numbers, of any shape, at least one.
            low: The least of them.
            high: The greatest of them.
        """
        self._hold(low, high)
        first = math.floor(low / self.bin_width)
        begin = BINS // 2 + first
        for counted in _counted(values, 1 / self.bin_width, first):
            self.counts[begin : begin + counted.size] += counted

    def merge(self, other: Histogram) -> None:
        """Takes the values of another histogram in, which is left as it is."""
        if other.total == 0:
            return
        self._hold(other.low, other.high)
        halvings = self.exponent - other.exponent
        self.counts += _halved(other.counts, halvings)

    def counts_between(self, edges: np.ndarray) -> np.ndarray:
        """The counts in other bins, as if they had been counted in those.

        What lies in a bin that an edge cuts is divided by width. Nothing is lost: the first and
        last of the new bins take what is outside.

        Args:
            edges: Ascending, `[n + 1]`, in the activation's unit.

        Returns:
            int64 `[n]`.
        """
        below = np.concatenate([[0], np.cumsum(self.counts)])
        at_edges = np.rint(np.interp(edges, self.edges, below)).astype(np.int64)
        at_edges[0], at_edges[-1] = 0, below[-1]
        return np.diff(at_edges)

    def _hold(self, low: float, high: float) -> None:
        """Widens the reach until the extremes are inside, and remembers them."""
        first = not self.counts.any()
        self.low = low if first else min(self.low, low)
        self.high = high if first else max(self.high, high)
        # 2^exponent is greater than the number of which frexp gives it
        wanted = max(math.frexp(low)[1], math.frexp(high)[1], _LEAST_EXPONENT)
        if wanted > self.exponent:
            if not first:
                self.counts = _halved(self.counts, wanted - self.exponent)
            self.exponent = wanted


def count_in_bins(values: np.ndarray, extremes: tuple[float, float], counts: np.ndarray) -> None:
    """Counts values in the bins that onnxruntime counts in.

    They divide the line from -reach to reach evenly, the reach being the greater of the extremes'
    distances from zero; the last one holds the reach itself.

    Args:
        values: Finite numbers inside the extremes.
        extremes: The least and greatest value that is counted.
        counts: int64 `[bins]`, changed.
    """
    low, high = extremes
    reach, half = max(-low, high), counts.size // 2
    if reach < math.ldexp(1, _LEAST_EXPONENT):
        counts[half] += values.size
        return
    first = math.floor(low * half / reach) - 1  # one more, for rounding
    begin = half + first
    for counted in _counted(values, half / reach, first):
        bins = np.clip(np.arange(begin, begin + counted.size), 0, counts.size - 1)
        np.add.at(counts, bins, counted)


def _counted(values: np.ndarray, scale: float, first: int) -> Iterator[np.ndarray]:
    """How many values there are in [i / scale, (i + 1) / scale), chunk by chunk, i from first."""
    flat = values.reshape(-1)
    scaled = np.empty(min(flat.size, _CHUNK), np.float32)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        places = scaled[: part.size]
        np.multiply(part, np.float32(scale), out=places)
        np.floor(places, out=places)
        places -= np.float32(first)  # small integers, on which float32 is exact
        yield np.bincount(places.astype(np.intp))


def _halved(counts: np.ndarray, times: int) -> np.ndarray:
    """The same counts in bins of twice the width, `times` over."""
    for _ in range(min(times, BINS.bit_length())):
        wide = np.zeros_like(counts)
        wide[BINS // 4 : BINS // 4 + BINS // 2] = counts.reshape(-1, 2).sum(axis=1)
        counts = wide
    return counts
