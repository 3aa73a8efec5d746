"""What the network that ships does otherwise than the teacher, from stored answers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from edgedistill import tasks
from edgedistill.core.evidence import Evidence
from edgedistill.data.showing import show_sample

if TYPE_CHECKING:
    from edgedistill.app.road import Branch
    from edgedistill.app.rows import Rows
    from edgedistill.core.damage import Damage
    from edgedistill.core.report import Row

_SPLIT: Final = "validation"


def damage_of(rows: Rows, branch: Branch, shipped: Row) -> Damage | None:
    """The damage report of one target.

    Args:
        rows: What is stored about the target's networks.
        branch: The student that ships.
        shipped: The row of the network that ships.

    Returns:
        None where the teacher itself ships as it is.
    """
    name = shipped.variant or shipped.step
    if name == "teacher":
        return None
    reporting = rows.resolved.recipe.report
    return tasks.damage_between(
        _teacher(rows, branch),
        tasks.Answered(name, rows.evaluation(branch, name, _SPLIT), rows.evidence),
        split=_SPLIT,
        show=partial(show_sample, rows.dataset, _SPLIT, sample_rate_hz=reporting.sample_rate_hz),
        examples=reporting.examples,
    )


def _teacher(rows: Rows, branch: Branch) -> tasks.Answered:
    if "teacher" in branch.exports:
        return tasks.Answered("teacher", rows.teacher, rows.evidence)
    # Where it was understood by its text alone, how sure it was is the recipe's word, not its own.
    level: str = rows.finished.facts(branch.predictions["teacher"])["distillation"]
    return tasks.Answered(
        "teacher",
        rows.teacher,
        Evidence.MEASURED_ON_STAND_IN,
        probabilities=level.startswith("token"),
    )
