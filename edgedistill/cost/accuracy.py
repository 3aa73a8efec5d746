"""How far estimates were off, and intervals that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

from edgedistill.core.fitted import FitError, IntervalFactors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def fit_error(
    estimates_s: Floats, measured_s: Floats, baseline_s: Floats | None = None
) -> FitError:
    """Percentage errors of estimates.

    Args:
        estimates_s: What was said, [networks], seconds.
        measured_s: What was measured, [networks], seconds.
        baseline_s: What multiply-accumulates times a constant said, [networks], seconds.
    """
    errors = 100.0 * np.abs(estimates_s / measured_s - 1.0)
    baseline = None
    if baseline_s is not None:
        baseline = float(np.mean(100.0 * np.abs(baseline_s / measured_s - 1.0)))
    return FitError(
        mean_percent=float(errors.mean()),
        median_percent=float(np.median(errors)),
        p90_percent=float(np.percentile(errors, 90)),
        within_10_percent_fraction=float((errors <= 10.0).mean()),
        macs_constant_mean_percent=baseline,
    )


def interval_of_device(log_ratios: Floats, *, confidence: float = 0.9) -> IntervalFactors:
    """Factors that hold the next measurement on the same device, by split conformal prediction.

    The factor is the k-th smallest |log(estimate / measurement)| with k = ceil((n + 1) confidence)
    (Vovk, Gammerman and Shafer 2005; Lei et al. 2018, equation 2). Where n is too small for such a
    k, it is the largest, widened by the part of the way that is missing.

    Args:
        log_ratios: Natural logarithms of estimate over measurement, [networks], of networks that
            the fit had not seen.
        confidence: How often the interval is to hold the measurement.

    >>> interval_of_device(np.log([1.1, 1.05, 0.9, 1.02, 1.0, 0.97, 1.04, 0.99, 1.01])).high
    1.1111111111111112
    """
    sizes = np.sort(np.abs(log_ratios))
    place = int(np.ceil((sizes.size + 1) * confidence))
    size = sizes[place - 1] if place <= sizes.size else sizes[-1] * place / sizes.size
    return _symmetric(float(size), confidence, coverage(log_ratios, float(size)))


FEW_GROUPS = 9
"""With fewer devices or families no rank among them stands for nine of ten."""


def interval_of_devices(
    log_ratios: Mapping[str, Floats], *, confidence: float = 0.9, least: float = 0.85
) -> IntervalFactors:
    """Factors for a device that was not measured, from the residuals of those that were.

    Measurements on one device err together, so a quantile over all of them promises too much for
    some. The factor is the smallest that holds the confidence on average over the devices, and at
    least `least` of the measurements on nine devices of ten. With fewer than nine devices it is at
    least Student's quantile times their root mean square (one degree of freedom a device, since the
    residuals are errors of prediction): three devices that happen to agree promise little.

    Families of networks on one device err together as well, and may stand in for devices.

    Args:
        log_ratios: By device: natural logarithms of estimate over measurement, [networks], by a
            fit that had seen neither the device nor, where it can be, the family.
        confidence: How often the interval is to hold the measurement, over all devices.
        least: How often on nearly every single one.
    """
    sizes = {name: np.abs(ratios) for name, ratios in log_ratios.items()}
    size = _smallest_size(sizes, confidence, least)
    if len(sizes) < FEW_GROUPS:
        mean_square = np.mean([np.mean(one**2) for one in sizes.values()])
        quantile = student.ppf((1.0 + confidence) / 2.0, df=len(sizes))
        size = max(size, float(quantile * np.sqrt(mean_square)))
    covered = np.mean([(one <= size).mean() for one in sizes.values()])
    return _symmetric(size, confidence, float(covered))


def _smallest_size(sizes: Mapping[str, Floats], confidence: float, least: float) -> float:
    for size in np.unique(np.concatenate(list(sizes.values()))):
        covered = np.array([(one <= size).mean() for one in sizes.values()])
        if covered.mean() >= confidence and np.percentile(covered, 10) >= least:
            return float(size)
    raise AssertionError("the largest residual covers every measurement")


def coverage(log_ratios: Floats, size: float) -> float:
    """How often the interval exp(-size) to exp(size) times the estimate holds the measurement."""
    return float((np.abs(log_ratios) <= size).mean())


def _symmetric(size: float, confidence: float, covered: float) -> IntervalFactors:
    return IntervalFactors(
        low=float(np.exp(-size)),
        high=float(np.exp(size)),
        confidence=confidence,
        coverage_fraction=covered,
    )
