"""Why a goal cannot be reached: how far pruning comes, and what holds it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.errors import Fault, InputError
from edgedistill.stages.prune.survey import survey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgedistill.core.pruning import Prune
    from edgedistill.stages.prune.survey import Survey

    Reach = Callable[[Sequence[Survey]], list[float]]
    """The least that networks can cost, each as a share of the unpruned one."""


def unreachable(found: Survey, config: Prune, reach: Reach, *, unpruned: float) -> InputError:
    """The error that names the nearest that can be reached, and which limits are in the way.

    Args:
        found: The levers within the limits of the recipe.
        config: The recipe.
        reach: Tells how far the narrowest networks come.
        unpruned: What the unpruned network costs, in the goal's unit.
    """
    relaxed = _relaxed(config)
    surveys = [survey(found.module, found.signature, other) for other in relaxed.values()]
    if found.limits.below_step:
        surveys = [one.below_step() for one in surveys]
    reached, *without = reach([found, *surveys])
    holding = [
        f"{name} (without it {_said(config, share, unpruned)})"
        for name, share in zip(relaxed, without, strict=True)
        if share < reached
    ]
    ratio = config.goal.endswith("_ratio")
    what = "ratio" if ratio else "value"
    limits = ", ".join(holding) or "the network's own structure"
    return InputError(
        Fault(
            field=f"stages.prune.{config.goal}",
            given=f"{config.asked:g}",
            problem=f"the nearest reachable {what} is {_said(config, reached, unpruned)}; "
            f"what limits it: {limits}",
            remedy=f"Ask for that {what} or more, or loosen what limits it in stages.prune",
        )
    )


def _relaxed(config: Prune) -> Mapping[str, Prune]:
    """The recipe without each of its limits."""
    changes: dict[str, dict[str, object]] = {
        f"round_to {config.multiple}": {"round_to": 1},
        f"max_channel_ratio {config.max_channel_ratio:g}": {"max_channel_ratio": 1 - 1e-6},
    }
    if config.keep:
        changes[f"keep {', '.join(config.keep)}"] = {"keep": ()}
    return {name: config.model_copy(update=update) for name, update in changes.items()}


def _said(config: Prune, share: float, unpruned: float) -> str:
    if config.goal.endswith("_ratio"):
        return f"{share:.4f}"
    return f"{share * unpruned:.4g} {config.goal.rpartition('_')[2]}"
