"""How answers changed from one network to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.tasks.evaluation import require_same_samples

if TYPE_CHECKING:
    from edgedistill.tasks.evaluation import Evaluation


@dataclass(frozen=True)
class Flips:
    """How answers changed on the same samples, from one network to another."""

    lost: int
    """Right before, wrong after."""
    gained: int
    """Wrong before, right after."""
    kept_right: int
    kept_wrong: int
    """Wrong both times, with the same answer or another."""
    changed: int
    """Answers that differ, right or wrong."""


def flips(before: Evaluation, after: Evaluation) -> Flips:
    """Counts how answers changed.

    Raises:
        ValueError: If the two were not evaluated on the same samples.
    """
    require_same_samples(before, after)
    was, now = before.correct, after.correct
    return Flips(
        lost=int((was & ~now).sum()),
        gained=int((~was & now).sum()),
        kept_right=int((was & now).sum()),
        kept_wrong=int((~was & ~now).sum()),
        changed=int((before.predictions != after.predictions).sum()),
    )
