"""Fits a shape and one scale a device to measured latencies, robustly and with priors.

What is minimized is the sum over measurements of rho(log(estimated / measured) / noise) plus the
sum over parameters of ((log parameter - log prior) / spread)^2, with rho the pseudo-Huber loss: an
outlier pulls linearly, and a parameter that the data say nothing of stays where its prior is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from edgedistill.core.cost_shape import CostScale, CostShape, ScaleSpreads
from edgedistill.cost.roofline import Columns, latency_s, operator_latencies_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgedistill.core.operator_kind import Kind

    Floats = NDArray[np.float64]


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


NOISE = 0.05
"""Standard deviation of log(estimated / measured) where the model fits well."""
_STEP = 1e-5
TABLES = (
    "rates",
    "half_outputs",
    "half_inputs",
    "half_depths",
    "half_pixels",
    "unaligned",
    "element_macs",
)
NUMBERS = (
    "byte_macs",
    "overhead_macs",
    "weight_copies",
    "weight_traffic",
    "large_kernel",
    "serial_work_fraction",
    "serial_traffic_fraction",
)
FRACTIONS = ("serial_work_fraction", "serial_traffic_fraction")
FACTORS = ("traffic", "overhead", "activation", "depthwise", "conv_3x3")


def fit(
    measurements: Sequence[Measurement],
    priors: Priors,
    *,
    bytes_per_element: float,
    speed_guesses: Mapping[str, float] | None = None,
    tolerance: float = 1e-8,
) -> Fitted:
    """The shape and scales that explain the measurements best.

    Args:
        measurements: At least one; any number of devices.
        priors: What is known beforehand.
        bytes_per_element: 4 for fp32, 2 for fp16, 1 for int8.
        speed_guesses: Where the search begins for a device, in pointwise MACs a second; found from
            its measurements where absent.
        tolerance: Relative change of loss and parameters at which the search ends.
    """
    problem = _Problem.of(measurements, priors, bytes_per_element)
    start = problem.start(speed_guesses or {})
    count = len(problem.measured)

    def loss(squares: Floats) -> Floats:
        # pseudo-Huber on the measurements only; a prior is a plain square
        rho = np.empty((3, squares.size))
        root = np.sqrt(1.0 + squares[:count])
        rho[0, :count], rho[1, :count] = 2.0 * (root - 1.0), 1.0 / root
        rho[2, :count] = -0.5 / root**3
        rho[0, count:], rho[1, count:], rho[2, count:] = squares[count:], 1.0, 0.0
        return rho

    found = least_squares(
        problem.residuals,
        start,
        jac=problem.jacobian,
        loss=loss,
        x_scale="jac",
        max_nfev=60,
        ftol=tolerance,
        xtol=tolerance,
    )
    return problem.fitted(found.x)


def scale_from(
    fitted: Fitted, measurements: Sequence[Measurement], *, like: CostScale | None = None
) -> CostScale:
    """The scale of a device with few measurements: the median ratio, all factors as given.

    Args:
        fitted: Holds the shape.
        measurements: All of one device; one is enough.
        like: Factors to take over; 1 each where absent.
    """
    scale = (like or CostScale(macs_per_s=1.0)).model_copy(update={"macs_per_s": 1.0})
    work = [
        latency_s(
            one.columns,
            fitted.shape,
            scale,
            bytes_per_element=fitted.bytes_per_element,
            threads=one.threads,
        )
        / one.latency_s
        for one in measurements
    ]
    return scale.model_copy(update={"macs_per_s": float(np.exp(np.median(np.log(work))))})


@dataclass(frozen=True)
class _Problem:
    """Measurements sorted by device and laid end to end, and the order of the parameters."""

    devices: tuple[str, ...]
    stacks: tuple[Columns, ...]
    """One a device."""
    starts: tuple[NDArray[np.intp], ...]
    threads: tuple[NDArray[np.intp], ...]
    """Of each operator, by device."""
    measured: Floats
    roots: Floats
    """Square root of each measurement's weight."""
    priors: Priors
    bytes_per_element: float

    @classmethod
    def of(
        cls, measurements: Sequence[Measurement], priors: Priors, bytes_per_element: float
    ) -> _Problem:
        devices = tuple(sorted({one.device for one in measurements}))
        groups = [[one for one in measurements if one.device == name] for name in devices]
        ordered = [one for group in groups for one in group]
        return cls(
            devices,
            tuple(_stack([one.columns for one in group]) for group in groups),
            tuple(
                np.cumsum([0, *(one.columns.macs.size for one in group)])[:-1] for group in groups
            ),
            tuple(
                np.concatenate(
                    [np.full(one.columns.macs.size, one.threads, dtype=np.intp) for one in group]
                )
                for group in groups
            ),
            np.array([one.latency_s for one in ordered]),
            np.sqrt([one.weight for one in ordered]),
            priors,
            bytes_per_element,
        )

    @property
    def shape_priors(self) -> list[Prior]:
        priors = self.priors
        tables = [getattr(priors, name) for name in TABLES]
        return [
            *(prior for table in tables for prior in table.values()),
            *(getattr(priors, name) for name in NUMBERS),
        ]

    @property
    def factor_spreads(self) -> Floats:
        return np.array([getattr(self.priors.spreads, name) for name in FACTORS])

    def start(self, guesses: Mapping[str, float]) -> Floats:
        shape = np.zeros(len(self.shape_priors))
        speeds = np.zeros(len(self.devices))
        factors = np.zeros(len(self.devices) * len(FACTORS))
        first = np.concatenate([shape, speeds, factors])
        # with all speeds at 1 MAC/s the estimate is in MACs, and the ratio is the speed
        ratio = np.exp(self._logs(first))
        place = 0
        for index, name in enumerate(self.devices):
            count = self.starts[index].size
            own = float(np.median(ratio[place : place + count]))
            speeds[index] = np.log(guesses.get(name, own))
            place += count
        return np.concatenate([shape, speeds, factors])

    def fitted(self, vector: Floats) -> Fitted:
        """The parameters in a vector of logarithms, each as a multiple of its prior's spread."""
        known = self.shape_priors
        values = [
            prior.value * float(np.exp(step * prior.spread))
            for prior, step in zip(known, vector[: len(known)], strict=True)
        ]
        tables: dict[str, dict[Kind, float]] = {}
        place = 0
        for name in TABLES:
            kinds = list(getattr(self.priors, name))
            tables[name] = dict(zip(kinds, values[place : place + len(kinds)], strict=True))
            place += len(kinds)
        numbers = dict(zip(NUMBERS, values[place:], strict=True))
        for name in FRACTIONS:
            numbers[name] = min(numbers[name], 1.0)
        shape = CostShape.model_validate(
            {
                "column_blocks": dict(self.priors.column_blocks),
                "lanes": self.priors.lanes,
                "tile_side": self.priors.tile_side,
                "tile_channels": self.priors.tile_channels,
                **tables,
                **numbers,
            }
        )
        speeds = np.exp(vector[len(known) : len(known) + len(self.devices)])
        steps = vector[len(known) + len(self.devices) :].reshape(-1, len(FACTORS))
        factors = np.exp(steps * self.factor_spreads)
        scales = {
            name: CostScale.model_validate(
                {"macs_per_s": float(speed), **dict(zip(FACTORS, map(float, row), strict=True))}
            )
            for name, speed, row in zip(self.devices, speeds, factors, strict=True)
        }
        return Fitted(shape=shape, scales=scales, bytes_per_element=self.bytes_per_element)

    def residuals(self, vector: Floats) -> Floats:
        shape = len(self.shape_priors)
        beyond = shape + len(self.devices)
        logs = self._logs(vector) / NOISE * self.roots
        return np.concatenate([logs, vector[:shape], vector[beyond:]])

    def jacobian(self, vector: Floats) -> Floats:
        """Derivatives of the residuals by forward differences.

        A device's own parameters touch its rows only, so one step moves that parameter of all
        devices at once.
        """
        shape, devices = len(self.shape_priors), len(self.devices)
        beyond = shape + devices
        here = self._logs(vector)
        rows = np.zeros((here.size, vector.size))
        owner = np.repeat(np.arange(devices), [starts.size for starts in self.starts])
        every = np.arange(here.size)
        for place, prior in enumerate(self.shape_priors):
            if prior.spread > 0:  # one that is held still has no slope
                rows[:, place] = self._slope(vector, here, [place])
        for first in range(1 + len(FACTORS)):
            if first > 0 and self.factor_spreads[first - 1] == 0:
                continue
            places = (
                shape + np.arange(devices)
                if first == 0
                else beyond + np.arange(devices) * len(FACTORS) + first - 1
            )
            rows[every, places[owner]] = self._slope(vector, here, places)
        priors = np.eye(vector.size)[[*range(shape), *range(beyond, vector.size)]]
        scaled = rows / NOISE * self.roots[:, None]
        return np.concatenate([scaled, priors])

    def _slope(
        self, vector: Floats, here: Floats, places: Sequence[int] | NDArray[np.intp]
    ) -> Floats:
        moved = vector.copy()
        moved[places] += _STEP
        slope: Floats = (self._logs(moved) - here) / _STEP
        return slope

    def _logs(self, vector: Floats) -> Floats:
        fitted = self.fitted(vector)
        estimates = [
            np.add.reduceat(
                operator_latencies_s(
                    stack,
                    fitted.shape,
                    fitted.scales[name],
                    bytes_per_element=self.bytes_per_element,
                    threads=threads,
                ),
                starts,
            )
            for name, stack, starts, threads in zip(
                self.devices, self.stacks, self.starts, self.threads, strict=True
            )
        ]
        logs: Floats = np.log(np.concatenate(estimates) / self.measured)
        return logs


def _stack(columns: Sequence[Columns]) -> Columns:
    names = [field.name for field in fields(Columns)]
    return Columns(*(np.concatenate([getattr(one, name) for one in columns]) for name in names))
