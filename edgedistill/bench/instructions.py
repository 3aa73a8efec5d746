"""From counted runs to the instructions of one inference: a pure function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.bench.statistics import percentile_interval
from edgedistill.core.evidence import Quantity

if TYPE_CHECKING:
    from edgedistill.bench.samples import Samples
    from edgedistill.core.evidence import Evidence

CONFIDENCE = 0.95


def instructions(samples: Samples, name: str, *, evidence: Evidence) -> Quantity | None:
    """Instructions that the processor retires in user space for one inference of one sample.

    Args:
        samples: Of one measurement.
        name: The model in it.
        evidence: How the samples were got, seen from the profile.

    Returns:
        None where nobody counted them, or too few runs were counted for an interval.
    """
    counted = samples.instructions
    if counted is None or name not in counted.runs:
        return None
    found = percentile_interval([[float(run)] for run in counted.runs[name]], 0.5, CONFIDENCE)
    if found is None:
        return None
    return Quantity(
        value=found.value,
        low=found.low,
        high=found.high,
        confidence=CONFIDENCE,
        evidence=evidence,
        samples=found.samples,
        method="retired in user space by the one thread that runs the inference, the call from "
        f"Python among them (perf_event_open); median over {found.samples} runs with order "
        "statistics (binomial)",
    )
