"""How a model's latency stands to a baseline's, both run again on one device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from edgedistill.core.baseline import BudgetName, Sha256
from edgedistill.core.evidence import Conditions, Evidence, Quantity, counted
from edgedistill.core.strict import Strict

if TYPE_CHECKING:
    from collections.abc import Iterable


class RelativeLatency(Strict):
    """Latencies of a model over those of its baseline, measured side by side."""

    model_sha256: Sha256
    """Of the model under test."""
    baseline_sha256: Sha256
    """Of the baseline's model, run again beside it."""
    ratios: dict[BudgetName, Quantity] = Field(min_length=1)
    """Budget, for instance latency_p50_ms, to the model's figure over the baseline's: 1.05 is
    5 % slower."""
    starts: int = Field(ge=0)
    """How often both were loaded anew and run in turns; 0 where both are the same file, whose
    ratio is 1 without a measurement."""
    conditions: Conditions | None
    """Of the measurement; absent where both are the same file."""

    @model_validator(mode="after")
    def _measured_or_the_same_file(self) -> Self:
        same = self.model_sha256 == self.baseline_sha256
        evidence = Evidence.COUNTED if same else Evidence.MEASURED_ON_DEVICE
        if any(figure.evidence is not evidence for figure in self.ratios.values()):
            raise ValueError(f"ratios of such files are {evidence}. Measure again")
        if same and any((one.low, one.high) != (1.0, 1.0) for one in self.ratios.values()):
            raise ValueError("the ratio of a file to itself is 1. Measure again")
        if same != (self.starts == 0) or same != (self.conditions is None):
            raise ValueError(
                "starts and conditions belong to a measurement of two files. Measure again"
            )
        return self


def of_the_same_file(sha256: str, budgets: Iterable[str]) -> RelativeLatency:
    """A model against itself: known without a measurement, on any device.

    Args:
        sha256: Of the file.
        budgets: Whose ratios are asked for.
    """
    ratio = counted(1.0, "the baseline's file and the model's are the same, byte for byte")
    return RelativeLatency(
        model_sha256=sha256,
        baseline_sha256=sha256,
        ratios=dict.fromkeys(budgets, ratio),
        starts=0,
        conditions=None,
    )


@dataclass(frozen=True)
class NotRerun:
    """Why the baseline could not be run beside the model under test."""

    reason: str
    """For a person, with what would settle it."""
