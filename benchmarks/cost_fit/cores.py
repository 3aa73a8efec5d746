"""How much of its peak a processor core reaches, by its kind.

The peak of a data sheet (clock times operations a cycle) says too much for a core that executes in
order, and the more a core's generation can look ahead, the nearer it comes. How much follows from
ncnn on one thread: log(peak x latency) is a sum of what the network and what the device bring, and
what the device brings is regressed on the core's kind. Another runtime takes over the slopes, with
their uncertainty, and finds its own level from the devices it was measured on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Core:
    """What tells kinds of cores apart.

    Attributes:
        year: When its maker announced it.
        in_order: Whether it executes in order.
        fp32_flop_per_cycle: Operations of its vector units in a cycle.
    """

    year: int
    in_order: bool
    fp32_flop_per_cycle: int

    @property
    def dotprod(self) -> bool:
        """Whether it multiplies int8 by dot product: all since the Cortex-A55 of 2017."""
        return self.year >= 2017

    @property
    def i8mm(self) -> bool:
        """Whether it multiplies int8 by matrix: all of ARMv9, from 2021 on."""
        return self.year >= 2021

    @property
    def features(self) -> Floats:
        """Decades since 2015, in order, four vector units."""
        wide = self.fp32_flop_per_cycle == 32
        return np.array([(self.year - 2015) / 10, float(self.in_order), float(wide)])


CORES = {
    "Cortex-A53": Core(2012, True, 8),
    "Cortex-A57": Core(2012, False, 8),
    "Cortex-A72": Core(2015, False, 8),
    "Cortex-A73": Core(2016, False, 8),
    "Cortex-A55": Core(2017, True, 8),
    "Cortex-A75": Core(2017, False, 8),
    "Cortex-A76": Core(2018, False, 16),
    "Cortex-A77": Core(2019, False, 16),
    "Cortex-A78": Core(2020, False, 16),
    "Cortex-A78AE": Core(2020, False, 16),
    "Cortex-X1": Core(2020, False, 32),
    "Cortex-A510": Core(2021, True, 8),
    "Cortex-A710": Core(2021, False, 16),
    "Cortex-X2": Core(2021, False, 32),
    "Cortex-A715": Core(2022, False, 16),
    "Cortex-X3": Core(2022, False, 32),
    "Cortex-A520": Core(2023, True, 8),
    "Cortex-A720": Core(2023, False, 16),
    "Cortex-X4": Core(2023, False, 32),
}
"""Arm's own cores by name: year of their announcement, pipeline and vector width by their technical
reference manuals and software optimization guides."""

PRIOR = (np.array([0.3, -0.4, -0.3]), np.array([0.4, 0.3, 0.3]))
"""Before any figure: log efficiency a decade, in order, with four vector units; and how sure."""
DEVICE_NOISE = 0.15
"""Standard deviation of log efficiency between devices with alike cores: memory, firmware, heat."""


@dataclass(frozen=True)
class Slopes:
    """What kinds of cores differ by: logarithms of efficiency for each feature.

    Attributes:
        mean: By feature.
        covariance: Features by features.
    """

    mean: Floats
    covariance: Floats


@dataclass(frozen=True)
class OneThread:
    """A latency of another runtime on one thread of a known core.

    Attributes:
        device: The device's name.
        core: A key of `CORES`.
        peak_macs_per_s: Of that one core, in the row's precision.
        network: Network and precision: rows that share it are comparable.
        group: Devices of one group share a level: those of one precision.
        latency_s: What was measured.
    """

    device: str
    core: str
    peak_macs_per_s: float
    network: str
    group: str
    latency_s: float


def slopes(rows: Sequence[OneThread]) -> Slopes:
    """What kinds of cores differ by, from rows of a runtime that was measured on many."""
    devices = sorted({(one.device, one.group) for one in rows})
    networks = sorted({(one.network, one.group) for one in rows})
    design = np.zeros((len(rows), len(devices) + len(networks)))
    logs = np.array([np.log(one.latency_s * one.peak_macs_per_s) for one in rows])
    for place, one in enumerate(rows):
        design[place, devices.index((one.device, one.group))] = -1
        design[place, len(devices) + networks.index((one.network, one.group))] = 1
    speeds = np.linalg.lstsq(design, logs, rcond=None)[0][: len(devices)]
    core_of = {(one.device, one.group): one.core for one in rows}
    groups = sorted({group for _, group in devices})
    features = np.array(
        [
            [*CORES[core_of[device]].features, *(device[1] == group for group in groups)]
            for device in devices
        ]
    )
    return _regressed(features, speeds)


def _regressed(features: Floats, speeds: Floats) -> Slopes:
    """Robust regression with the prior: soft-L1, so that a board in an odd state pulls little."""
    mean, spread = PRIOR
    count = mean.size

    def residuals(vector: Floats) -> Floats:
        errors = (features @ vector - speeds) / DEVICE_NOISE
        soft = np.sign(errors) * np.sqrt(2 * (np.sqrt(1 + errors**2) - 1))
        return np.concatenate([soft, (vector[:count] - mean) / spread])

    found = least_squares(residuals, np.zeros(features.shape[1]))
    covariance = np.linalg.inv(found.jac.T @ found.jac)[:count, :count]
    return Slopes(found.x[:count], covariance)


def efficiencies(
    measured: Iterable[tuple[str, float]], known: Slopes, cores: Mapping[str, Core] = CORES
) -> dict[str, float]:
    """Efficiency of each kind of core under a runtime, rounded to three digits.

    A normal regression: the slopes' prior is what another runtime taught, widened by the spreads
    of `PRIOR` because runtimes differ in how well they know a core; the level is free. Where a core
    was measured itself, half of what it deviates is taken to be the core's own, half the device's.

    Args:
        measured: Core and its part of the peak, one a device.
        known: From another runtime.
        cores: Whose efficiency is wanted.
    """
    pairs = list(measured)
    features = np.array([[1.0, *CORES[core].features] for core, _ in pairs])
    logs = np.log([value for _, value in pairs])
    precision = np.zeros((features.shape[1], features.shape[1]))
    precision[1:, 1:] = np.linalg.inv(known.covariance + np.diag(PRIOR[1] ** 2))
    start = np.concatenate([[0.0], known.mean])
    system = features.T @ features / DEVICE_NOISE**2 + precision
    found = np.linalg.solve(system, features.T @ logs / DEVICE_NOISE**2 + precision @ start)
    expected = {
        name: float(found @ np.array([1.0, *core.features])) for name, core in cores.items()
    }
    for name in cores:
        own = [log for (core, _), log in zip(pairs, logs, strict=True) if core == name]
        if own:
            expected[name] += 0.5 * (float(np.mean(own)) - expected[name])
    return {name: round(float(np.exp(value)), 3) for name, value in expected.items()}
