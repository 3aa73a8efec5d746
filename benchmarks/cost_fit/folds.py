"""Estimates of measurements by fits that have not seen them, and the baseline beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.cost.fitting import Fitted, Measurement, Priors, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FAMILY_ROWS = 20.0
"""What a family of one device counts at most, in measurements, so that 110 drown no 5."""


@dataclass(frozen=True)
class Guess:
    """What was said of a measurement that the fit had not seen."""

    measurement: Measurement
    estimate_s: float
    baseline_s: float

    @property
    def log_ratio(self) -> float:
        """Natural logarithm of estimate over measurement."""
        return float(np.log(self.estimate_s / self.measurement.latency_s))


def balanced(measurements: Iterable[Measurement]) -> list[Measurement]:
    """The measurements with weights, so that no family of a device counts more than 20."""
    every = list(measurements)
    counts = Counter((one.device, one.family) for one in every)
    return [
        replace(one, weight=min(1.0, FAMILY_ROWS / counts[one.device, one.family])) for one in every
    ]


def baseline_s(known: Sequence[Measurement], asked: Measurement) -> float:
    """Multiply-accumulates times the median seconds of one on the same device."""
    own = [one for one in known if one.device == asked.device] or known
    rate = np.median([one.latency_s / one.columns.macs.sum() for one in own])
    return float(rate * asked.columns.macs.sum())


def held_out(
    measurements: Sequence[Measurement],
    priors: Priors,
    fold: Callable[[Measurement], str],
    *,
    asked: Callable[[Measurement], bool] = lambda _: True,
    bytes_per_element: float = 4.0,
) -> list[Guess]:
    """Estimates for every asked measurement by a fit that has not seen its fold.

    Args:
        measurements: All there are.
        priors: Of the fit.
        fold: Names the fold of a measurement; all of one name are left out together.
        asked: Which measurements are wanted.
        bytes_per_element: Bytes of a number.
    """
    guesses: list[Guess] = []
    for name in sorted({fold(one) for one in measurements if asked(one)}):
        known = [one for one in measurements if fold(one) != name]
        wanted = [one for one in measurements if fold(one) == name and asked(one)]
        guesses += guessed(known, wanted, priors, bytes_per_element=bytes_per_element)
    return guesses


def few_rows(
    measurements: Sequence[Measurement],
    priors: Priors,
    device: str,
    *,
    count: int = 5,
    draws: int = 4,
    bytes_per_element: float = 4.0,
) -> list[Guess]:
    """Estimates for a device that has shown a few measurements, drawn several times.

    Args:
        measurements: All there are.
        priors: Of the fit.
        device: Whose measurements are estimated, all but the few.
        count: How many it shows.
        draws: How often they are drawn.
        bytes_per_element: Bytes of a number.
    """
    own = [one for one in measurements if one.device == device]
    others = [one for one in measurements if one.device != device]
    guesses: list[Guess] = []
    for seed in range(draws):
        shown = set(np.random.default_rng(seed).permutation(len(own))[:count].tolist())
        known = [*others, *(own[place] for place in sorted(shown))]
        wanted = [one for place, one in enumerate(own) if place not in shown]
        guesses += guessed(known, wanted, priors, bytes_per_element=bytes_per_element)
    return guesses


def guessed(
    known: Sequence[Measurement],
    wanted: Iterable[Measurement],
    priors: Priors,
    *,
    bytes_per_element: float,
) -> list[Guess]:
    """Estimates by a fit of the known ones; what ran on an unknown device is left out."""
    fitted = fit(balanced(known), priors, bytes_per_element=bytes_per_element)
    return [Guess(one, estimate_s(fitted, one), baseline_s(known, one)) for one in wanted
            if one.device in fitted.scales]  # fmt: skip


def estimate_s(fitted: Fitted, one: Measurement) -> float:
    """Seconds that a fit says of a network, on the device and threads of its measurement."""
    return fitted.latency_s(one.columns, one.device, threads=one.threads)


def by_group(
    guesses: Iterable[Guess], group: Callable[[Measurement], str] = lambda one: one.device
) -> dict[str, Floats]:
    """Natural logarithms of estimate over measurement, by group: [networks] each."""
    found: dict[str, list[float]] = {}
    for guess in guesses:
        found.setdefault(group(guess.measurement), []).append(guess.log_ratio)
    return {name: np.array(values) for name, values in sorted(found.items())}
