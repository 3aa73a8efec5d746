"""What goes into a fit of the latency model and what comes out: measurements, priors, a shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.cost.roofline import Columns, latency_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.core.cost_shape import CostScale, CostShape, ScaleSpreads
    from edgedistill.core.operator_kind import Kind


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured latency of one network on one device.

    Attributes:
        device: The device's name.
        family: Networks that resemble each other share one; folds are cut along families.
        network: The network's name.
        columns: Its operators.
        latency_s: What was measured, in seconds.
        threads: How many worked.
        weight: How much it counts, 1 for a measurement that resembles no other.
    """

    device: str
    family: str
    network: str
    columns: Columns
    latency_s: float
    threads: int = 1
    weight: float = 1.0


@dataclass(frozen=True)
class Prior:
    """What is known of a positive parameter before any measurement.

    Attributes:
        value: Its median.
        spread: Standard deviation of its logarithm; 0 keeps it where it is.
    """

    value: float
    spread: float


@dataclass(frozen=True, kw_only=True)
class Priors:
    """Priors of all parameters of a shape, and of the factors of any device."""

    rates: Mapping[Kind, Prior]
    half_outputs: Mapping[Kind, Prior]
    half_inputs: Mapping[Kind, Prior]
    half_pixels: Mapping[Kind, Prior] = field(default_factory=dict)
    weight_copies: Prior
    column_blocks: Mapping[Kind, int]
    half_depths: Mapping[Kind, Prior] = field(default_factory=dict)
    unaligned: Mapping[Kind, Prior] = field(default_factory=dict)
    lanes: int = 1
    large_kernel: Prior = Prior(1.0, 0.0)
    tile_side: int = 1
    tile_channels: int = 0
    weight_traffic: Prior = Prior(1.0, 0.0)
    cache_bytes: float = 0.0
    uncached_byte_macs: Prior = Prior(0.0, 0.0)
    element_macs: Mapping[Kind, Prior]
    byte_macs: Prior
    overhead_macs: Prior
    serial_work_fraction: Prior
    serial_traffic_fraction: Prior
    spreads: ScaleSpreads


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A shape, and a scale for each device that was measured."""

    shape: CostShape
    scales: Mapping[str, CostScale]
    bytes_per_element: float

    def latency_s(self, columns: Columns, device: str, *, threads: int = 1) -> float:
        """Seconds of a network on one of the devices."""
        return latency_s(
            columns,
            self.shape,
            self.scales[device],
            bytes_per_element=self.bytes_per_element,
            threads=threads,
        )

    def largest_overhead_fraction(self, measurements: Sequence[Measurement]) -> float:
        """The part of a latency that the overhead of operators stays below in nine of ten."""
        shape = self.shape
        fractions = []
        for one in measurements:
            scale = self.scales[one.device]
            each_s = shape.overhead_macs * scale.overhead / scale.macs_per_s
            whole_s = self.latency_s(one.columns, one.device, threads=one.threads)
            fractions.append(one.columns.macs.size * each_s / whole_s)
        return float(np.percentile(fractions, 90))
