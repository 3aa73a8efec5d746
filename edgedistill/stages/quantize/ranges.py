"""The ways in which an activation's range follows from what it was on the samples.

Each way sees one sample after the other and keeps a fixed amount of what it saw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgedistill.stages.quantize.clips import (
    EIGHT_BITS,
    Levels,
    bin_edges,
    least_squared_error,
    percentile,
)
from edgedistill.stages.quantize.divergence import least_divergence
from edgedistill.stages.quantize.histograms import Histogram, count_in_bins

if TYPE_CHECKING:
    from edgedistill.stages.quantize.watching import Activation


@dataclass(frozen=True)
class Settings:
    """What the methods take beside the samples.

    Attributes:
        percentile: The share of values inside the range, in percent; onnxruntime's default.
        percentile_bins: onnxruntime's default.
        entropy_bins: With onnxruntime's default of 128 the entropy method has a single candidate
            and is min-max by another name. NVIDIA's has 2048 for half the line. A power of two,
            so that zero is an edge also after rounding.
        averaging_constant: Weight of a new sample in the exponential average: the default of
            onnxruntime and of PyTorch's MovingAverageMinMaxObserver. TensorFlow's fake quantizers
            decay by 0.999, which is 0.001 here.
        levels: What activations will be rounded to; the squared error depends on it.
    """

    percentile: float = 99.999
    percentile_bins: int = 2048
    entropy_bins: int = 512
    averaging_constant: float = 0.01
    levels: Levels = EIGHT_BITS


class Observer(Protocol):
    """Sees one activation on every sample."""

    def see(self, activation: Activation) -> None:
        """Takes in what the activation is on a sample."""

    def range(self) -> tuple[float, float]:
        """Its least and greatest value worth representing; zeros where nothing was seen."""


@dataclass
class MinMax:
    """From the least to the greatest value of all."""

    low: float = math.inf
    high: float = -math.inf

    def see(self, activation: Activation) -> None:
        """Widens the range."""
        self.low = min(self.low, activation.low)
        self.high = max(self.high, activation.high)

    def range(self) -> tuple[float, float]:
        """The extremes."""
        return (self.low, self.high) if self.low <= self.high else (0.0, 0.0)


@dataclass
class MovingAverage:
    """The mean of the samples' extremes.

    It is what onnxruntime's `moving_average` does when it is given all samples at once, as
    `quantize_static` does with `CalibMovingAverage`.
    """

    samples: int = 0
    low: float = 0.0
    high: float = 0.0

    def see(self, activation: Activation) -> None:
        """Adds the sample's extremes up."""
        self.samples += 1
        self.low += activation.low
        self.high += activation.high

    def range(self) -> tuple[float, float]:
        """The means."""
        many = max(self.samples, 1)
        return self.low / many, self.high / many


@dataclass
class ExponentialAverage:
    """The extremes of the first sample, drawn a little towards those of each further one.

    It is what onnxruntime's `moving_average` does when samples come one by one, TensorFlow's
    exponential moving average (Jacob et al. 2017, 1712.05877, section 3.1) from the first sample
    on. The order of the samples matters, and with few of them the first one rules.
    """

    constant: float
    low: float | None = None
    high: float | None = None

    def see(self, activation: Activation) -> None:
        """Moves towards the sample's extremes."""
        if self.low is None or self.high is None:
            self.low, self.high = activation.low, activation.high
        else:
            self.low += self.constant * (activation.low - self.low)
            self.high += self.constant * (activation.high - self.high)

    def range(self) -> tuple[float, float]:
        """The averages."""
        return self.low or 0.0, self.high or 0.0


@dataclass
class Percentile:
    """What holds all but a small share of the values."""

    settings: Settings
    histogram: Histogram = field(default_factory=Histogram)

    def see(self, activation: Activation) -> None:
        """Counts the values."""
        self.histogram.add(activation.values, activation.low, activation.high)

    def range(self) -> tuple[float, float]:
        """Within one bin of the range of onnxruntime's method."""
        return percentile(self.histogram, self.settings.percentile, self.settings.percentile_bins)


@dataclass
class SquaredError:
    """What loses least when it is rounded to the scheme's levels."""

    settings: Settings
    histogram: Histogram = field(default_factory=Histogram)

    def see(self, activation: Activation) -> None:
        """Counts the values."""
        self.histogram.add(activation.values, activation.low, activation.high)

    def range(self) -> tuple[float, float]:
        """Holds zero."""
        return least_squared_error(self.histogram, self.settings.levels)


class Entropy:
    """What keeps the most information of the values' distribution.

    Which clip wins may hang on single counts, so they must be onnxruntime's own: the bins are its
    bins, whose bounds are the extremes over all samples. They are known from a first pass.
    """

    def __init__(self, extremes: tuple[float, float], settings: Settings) -> None:
        """Starts with no counts.

        Args:
            extremes: The least and greatest value over all samples.
            settings: For the number of bins.
        """
        self._extremes = extremes
        self._edges = bin_edges(*extremes, settings.entropy_bins)
        self._counts = np.zeros(settings.entropy_bins, np.int64)

    def see(self, activation: Activation) -> None:
        """Counts the values."""
        count_in_bins(activation.values, self._extremes, self._counts)

    def range(self) -> tuple[float, float]:
        """The range of onnxruntime's entropy method."""
        return least_divergence(self._counts, self._edges, *self._extremes)
