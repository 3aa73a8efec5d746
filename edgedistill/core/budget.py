"""What the user can afford on a target."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgedistill.core.strict import Strict


class Budget(Strict):
    """Limits on one target; what is left out is not judged.

    Accuracies are fractions between 0 and 1, judged on the validation split with the interval at
    the report's confidence. A limit touched exactly is kept.
    """

    latency_p50_ms: float | None = Field(default=None, gt=0)
    """The median latency may not be above this."""
    latency_p90_ms: float | None = Field(default=None, gt=0)
    """The 90th percentile of latency may not be above this."""
    latency_p95_ms: float | None = Field(default=None, gt=0)
    """The 95th percentile of latency may not be above this."""
    min_accuracy: float | None = Field(default=None, ge=0, le=1)
    """The accuracy may not be below this."""
    max_accuracy_drop: float | None = Field(default=None, ge=0, le=1)
    """The teacher's accuracy minus the model's, on the same samples, may not be above this."""
    max_worst_class_drop: float | None = Field(default=None, ge=0, le=1)
    """No class may lose more accuracy than this against the teacher."""
    max_worst_group_drop: float | None = Field(default=None, ge=0, le=1)
    """No group of people or things may lose more accuracy than this against the teacher."""
    max_size_mb: float | None = Field(default=None, gt=0)
    """The model file may not be larger than this (10^6 bytes)."""
    max_peak_memory_mb: float | None = Field(default=None, gt=0)
    """One inference may not add more than this to the memory of a process (10^6 bytes)."""
    max_energy_mj: float | None = Field(default=None, gt=0)
    """One inference may not take more energy than this, in millijoules."""
    evidence: Literal["measured", "estimated"] = "measured"
    """Whether a budget on latency, memory or energy wants a measurement on the device, or an
    estimate whose whole interval is inside is enough."""
