"""What is judged together: one model, its limits, and what a baseline says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.figure import Figure
    from edgedistill.core.figures import Figures, Reference
    from edgedistill.core.limits import Bounds


@dataclass(frozen=True, kw_only=True)
class Case:
    """One target of a gate.

    Attributes:
        figures: Of the model that ships.
        bounds: The limits that are set.
        baseline: What limits against a baseline are held against; None where there is none.
        remeasured: Limit on a percentile of latency to the model's over the baseline's, from rounds
            on the device in which both took turns.
        not_remeasured: Why there are no such ratios, with what would settle it; None where it was
            not tried.
        file: The report, where it was read from a file.
    """

    figures: Figures
    bounds: Bounds
    baseline: Reference | None = None
    remeasured: Mapping[str, Figure] = field(default_factory=dict)
    not_remeasured: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Found:
    """What is held against a limit, or why nothing is.

    Attributes:
        figure: Figure, ratio or difference; None where there is none.
        doubt: Why it may not be judged, with what would settle it; None where it may.
    """

    figure: Figure | None
    doubt: str | None = None
