"""What a search for widths found: the networks it priced, the one it took, and why."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.evidence import Quantity
from edgedistill.core.pruning import GoalName
from edgedistill.core.strict import Strict


class Candidate(Strict):
    """One pruned network that was priced."""

    widths: dict[str, int]
    """Units (channels, heads) left in each part that can be narrowed, by its leading layer."""
    cost: Quantity
    """In the goal's unit."""
    form: str
    """In which form it would ship: its cheapest, for instance fp32 or int8."""
    macs: int = Field(ge=0)
    """Multiply-accumulates of one inference."""
    parameters: int = Field(ge=0)
    kept_importance: float = Field(ge=0, le=1)
    """Share of the importance that stays: the geometric mean over all parts."""
    accuracy: float | None = None
    """On (part of) the validation split, before any recovery; absent where it was not looked at."""
    on_front: bool
    """Whether nothing that was priced keeps as much importance at less cost."""


class Pruned(Strict):
    """How a network came by its widths."""

    student: str
    """Whose network it is."""
    goal: GoalName
    """The recipe's key."""
    asked: float
    """Its number."""
    limit: float
    """What that comes to in the unit of the costs."""
    unit: str
    """Of every cost here, for instance ms or MB."""
    unpruned: Quantity
    """Cost of the network before pruning."""
    units: dict[str, int]
    """Units of every part before pruning, by its leading layer."""
    candidates: tuple[Candidate, ...] = Field(strict=False, min_length=1)
    """Every network that was priced, the cheapest first."""
    chosen: int = Field(ge=0)
    """Which of them was cut."""
    reached: bool
    """Whether its cost is within the goal and no more than a tenth below it."""
    reason: str
    """Why this one."""
    wider: int | None = None
    """The nearest candidate that costs more than was asked; absent where there is none."""
    narrower: int | None = None
    """The nearest one that costs less than the chosen one."""

    @model_validator(mode="after")
    def _names_its_candidates(self) -> Self:
        named = [at for at in (self.chosen, self.wider, self.narrower) if at is not None]
        if max(named) >= len(self.candidates):
            raise ValueError("names a candidate that is not there. Run compress again")
        return self

    @property
    def taken(self) -> Candidate:
        """The candidate that was cut."""
        return self.candidates[self.chosen]


GoalUnit = Literal["MACs", "parameters", "MB", "ms"]
UNITS: dict[GoalName, GoalUnit] = {
    "macs_ratio": "MACs",
    "parameters_ratio": "parameters",
    "max_size_mb": "MB",
    "max_peak_memory_mb": "MB",
    "target_latency_ms": "ms",
}
"""What each goal is counted in."""
