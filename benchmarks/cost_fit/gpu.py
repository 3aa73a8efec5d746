"""ONNX Runtime on the GPU of the Jetson Nano, fp32: a start, operators, arithmetic and traffic.

A GPU works on an operator with all its cores, so that kinds differ less than on a processor, and
much of a small network's time is the launching of kernels. Four figures describe it
(`edgedistill.core.cost_shape.LinearScale`). The source does not state whether CUDA or TensorRT
executed; the profile's runtime says so.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from built import BUILT, read_built
from folds import FAMILY_ROWS, Guess, baseline_s, by_group
from result import FITTED_ON, ProfileCost, Result
from scipy.optimize import least_squares
from table import error_of

from edgedistill.core.cost_shape import LinearScale
from edgedistill.core.fitted import FittedCost
from edgedistill.cost.accuracy import interval_of_device, interval_of_devices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from rows import Published
    from table import Table

    from edgedistill.cost.fitting import Measurement

    Floats = NDArray[np.float64]

NAME = "onnxruntime-gpu-fp32"
PROFILE, RUNTIME = "jetson-nano", "cuda"
BYTES = 4.0
NOISE = 0.15
"""Of log ratios, once the four figures are right."""
PRIOR = np.log([1e-3, 50e-6, 60e9, 13e9])
"""Start 1 ms, 50 us an operator, and half of what the data sheet gives: 236 GFLOP/s, 25.6 GB/s."""
PRIOR_SPREAD = 1.0
"""Standard deviation of the logarithms: a factor of e either way is no surprise."""
SOURCES = (
    "Deeplite YOLOBench, Jetson Nano GPU latencies (2023-08 to 2024-01), Apache-2.0; version and "
    "execution provider (CUDA or TensorRT) not stated",
    "Deeplite classification benchmark, ONNX Runtime GPU latencies of timm networks on the Jetson "
    "Nano (2023-08), Apache-2.0; version and execution provider (CUDA or TensorRT) not stated",
)


def run(published: Published, table: Table) -> Result:
    """Fits the GPU, prints what leaving families out says, and gives what is to be written."""
    rows = published.onnx_runtime_fp32(read_built(BUILT), unit="GPU")
    guesses = held_out(rows)
    by_family = by_group(guesses, lambda one: one.family)
    interval = max(
        interval_of_device(np.concatenate(list(by_family.values()))),
        interval_of_devices(by_family),
        key=lambda one: one.high,
    )
    table.add(f"{NAME}, family unseen", guesses, interval)
    for family in sorted(by_family):
        part = [one for one in guesses if one.measurement.family == family]
        table.add(f"    {family}", part, interval)
    cost = FittedCost(
        linear=fit(rows),
        measurements=len(rows),
        families=len(by_family),
        sources=SOURCES,
        fitted_on=FITTED_ON,
        error=error_of(guesses),
        interval=interval,
        tier="measured",
    )
    return Result(None, (ProfileCost(PROFILE, ("runtimes", RUNTIME), "fp32", cost),))


def held_out(rows: Sequence[Measurement]) -> list[Guess]:
    """Estimates for every measurement by a fit that has not seen its family."""
    guesses = []
    for family in sorted({one.family for one in rows}):
        known = [one for one in rows if one.family != family]
        linear = fit(known)
        guesses += [
            Guess(one, latency_s(linear, one), baseline_s(known, one))
            for one in rows
            if one.family == family
        ]
    return guesses


def fit(rows: Sequence[Measurement]) -> LinearScale:
    """The four figures, by least squares of log ratios, outliers dampened, drawn to the priors."""
    families = Counter(one.family for one in rows)
    weights = np.sqrt([min(1.0, FAMILY_ROWS / families[one.family]) for one in rows])
    parts = np.array([_parts(one) for one in rows])
    measured = np.array([one.latency_s for one in rows])

    def residuals(parameters: Floats) -> Floats:
        ratios = np.log(parts @ _costs(parameters) / measured)
        return np.concatenate([weights * ratios / NOISE, (parameters - PRIOR) / PRIOR_SPREAD])

    start_s, operator_s, macs_per_s, bytes_per_s = np.exp(
        least_squares(residuals, PRIOR, loss="soft_l1").x
    )
    return LinearScale(
        start_ms=float(1e3 * start_s),
        operator_us=float(1e6 * operator_s),
        macs_per_s=float(macs_per_s),
        bytes_per_s=float(bytes_per_s),
    )


def latency_s(linear: LinearScale, one: Measurement) -> float:
    """Seconds of a network, as `edgedistill.cost.estimate` computes them."""
    costs = (
        linear.start_ms / 1e3,
        linear.operator_us / 1e6,
        1 / linear.macs_per_s,
        1 / linear.bytes_per_s,
    )
    return float(np.dot(_parts(one), costs))


def _parts(one: Measurement) -> list[float]:
    """What the four figures are multiplied with: one, operators, multiply-accumulates, bytes."""
    columns = one.columns
    elements = columns.weights.sum() + columns.moved.sum()
    return [1.0, len(columns.macs), float(columns.macs.sum()), float(elements * BYTES)]


def _costs(parameters: Floats) -> Floats:
    start_s, operator_s, macs_per_s, bytes_per_s = np.exp(parameters)
    return np.array([start_s, operator_s, 1 / macs_per_s, 1 / bytes_per_s])
