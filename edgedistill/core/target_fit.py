"""What refining a profile with its owner's measurements led to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.fitted import FittedCost, Tier


@dataclass(frozen=True, kw_only=True)
class FittedRow:
    """One measurement, and what the profile says of it before and after."""

    line: int
    """Where it stands in the file of measurements."""
    model: str
    runtime: str
    precision: str
    threads: int
    measured_ms: float
    before_ms: float | None
    """None where the profile could not estimate it."""
    after_ms: float

    @property
    def before_percent(self) -> float | None:
        """How far the estimate was off, with its sign."""
        return None if self.before_ms is None else 100 * (self.before_ms / self.measured_ms - 1)

    @property
    def after_percent(self) -> float:
        """How far the estimate is off, with its sign."""
        return 100 * (self.after_ms / self.measured_ms - 1)


@dataclass(frozen=True, kw_only=True)
class RefittedCost:
    """What became of one runtime and precision."""

    runtime: str
    precision: str
    tier_before: Tier
    cost: FittedCost


@dataclass(frozen=True, kw_only=True)
class TargetFit:
    """A profile refined, and the file it was written to."""

    target: str
    file: Path
    rows: tuple[FittedRow, ...]
    costs: tuple[RefittedCost, ...]
