"""Fits a shape and one scale a device to measured latencies, robustly and with priors.

What is minimized is the sum over measurements of rho(log(estimated / measured) / noise) plus the
sum over parameters of ((log parameter - log prior) / spread)^2, with rho the pseudo-Huber loss: an
outlier pulls linearly, and a parameter that the data say nothing of stays where its prior is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from edgedistill.core.cost_shape import CostScale
from edgedistill.cost.fit_problem import Problem
from edgedistill.cost.fitted_shape import Fitted, Measurement, Prior, Priors
from edgedistill.cost.roofline import latency_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Fitted", "Measurement", "Prior", "Priors", "fit", "scale_from"]


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
    problem = Problem.of(measurements, priors, bytes_per_element)
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
