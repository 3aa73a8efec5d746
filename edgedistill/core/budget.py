"""What the user can afford on a target."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgedistill.core.strict import Strict


class Budget(Strict):
    """Limits on one target; what is left out is not judged.

    Accuracies are fractions between 0 and 1, judged on the validation split with the interval at
    the gate's confidence. A limit touched exactly is kept. Limits against a baseline are
    judged where the gate is given one.
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
    max_instructions: float | None = Field(default=None, gt=0)
    """One inference may not execute more instructions than this."""
    min_int8_share: float | None = Field(default=None, ge=0, le=1)
    """At least this share of the heavy operators' multiply-accumulates is in int8; a network of
    another precision has none."""
    max_parity_error: float | None = Field(default=None, gt=0)
    """The exported file may not answer otherwise than the network by more than this: the largest
    difference of a logit over the standard deviation of the logits."""
    max_latency_p50_ratio: float | None = Field(default=None, gt=0)
    """The median latency over the baseline's may not be above this. Judged only where both models
    were measured in the same rounds, as are the next two."""
    max_latency_p90_ratio: float | None = Field(default=None, gt=0)
    """The 90th percentile of latency over the baseline's may not be above this."""
    max_latency_p95_ratio: float | None = Field(default=None, gt=0)
    """The 95th percentile of latency over the baseline's may not be above this."""
    max_accuracy_drop_from_baseline: float | None = Field(default=None, ge=0, le=1)
    """The baseline's accuracy minus the model's may not be above this."""
    max_accuracy_drop_rise: float | None = Field(default=None, ge=0, le=1)
    """The accuracy lost against the teacher may not be above the baseline's by more than this."""
    max_worst_class_drop_rise: float | None = Field(default=None, ge=0, le=1)
    """What the worst class loses may not be above what it lost in the baseline by more than
    this."""
    max_worst_group_drop_rise: float | None = Field(default=None, ge=0, le=1)
    """What the worst group loses may not be above what it lost in the baseline by more than
    this."""
    max_size_ratio: float | None = Field(default=None, gt=0)
    """The size of the model file over the baseline's may not be above this."""
    max_peak_memory_ratio: float | None = Field(default=None, gt=0)
    """The memory that one inference adds over the baseline's may not be above this."""
    max_energy_ratio: float | None = Field(default=None, gt=0)
    """The energy of one inference over the baseline's may not be above this."""
    max_instructions_ratio: float | None = Field(default=None, gt=0)
    """The instructions of one inference over the baseline's may not be above this."""
    max_int8_share_fall: float | None = Field(default=None, ge=0, le=1)
    """The baseline's share of work in int8 minus the model's may not be above this."""
    max_parity_error_ratio: float | None = Field(default=None, gt=0)
    """The parity error over the baseline's may not be above this."""
    evidence: Literal["measured", "estimated"] = "measured"
    """Whether a budget on latency, memory or energy wants a measurement on the device, or an
    estimate whose whole interval is inside is enough."""
