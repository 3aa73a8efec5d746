"""A fit as a least-squares problem: measurements end to end, and the order of the parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.cost_shape import CostScale, CostShape
from edgedistill.cost.fitted_shape import Fitted, Measurement, Prior, Priors
from edgedistill.cost.roofline import Columns, operator_latencies_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgedistill.core.operator_kind import Kind

    Floats = NDArray[np.float64]

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
    "uncached_byte_macs",
    "serial_work_fraction",
    "serial_traffic_fraction",
)
FRACTIONS = ("serial_work_fraction", "serial_traffic_fraction")
FACTORS = ("traffic", "overhead", "activation", "depthwise", "conv_3x3")


@dataclass(frozen=True)
class Problem:
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
    ) -> Problem:
        """The problem of some measurements, each device's own together."""
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
        """Of every parameter of the shape, in the vector's order."""
        priors = self.priors
        tables = [getattr(priors, name) for name in TABLES]
        return [
            *(prior for table in tables for prior in table.values()),
            *(getattr(priors, name) for name in NUMBERS),
        ]

    @property
    def factor_spreads(self) -> Floats:
        """Of every factor of a device, in the order of `FACTORS`."""
        return np.array([getattr(self.priors.spreads, name) for name in FACTORS])

    def start(self, guesses: Mapping[str, float]) -> Floats:
        """Where the search begins: all parameters at their priors, speeds at the median ratio."""
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
                "cache_bytes": self.priors.cache_bytes,
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
        """Of every measurement, in units of noise, then of every parameter, in units of spread."""
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
