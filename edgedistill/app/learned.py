"""From the facts of stored steps to what the report says of the learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedistill.app.attempt import why_not_made
from edgedistill.core.evidence import Quantity
from edgedistill.core.learned import Curation, Feedback, LearningStep
from edgedistill.core.pruned import Pruned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgedistill.app.pipeline import Finished
    from edgedistill.app.plan import Plan, PlannedStep
    from edgedistill.app.road import Branch

_NAMES = ("teacher", "answers", "curate", "distill", "recover", "feedback", "fine-tune")


def learned(target: str, plan: Plan, finished: Finished) -> tuple[LearningStep, ...]:
    """The steps in which something was learned for a target, in their order.

    Args:
        target: The target.
        plan: The plan of the run.
        finished: Its stored steps.
    """
    return tuple(
        _learned(step, finished.facts(step))
        for step in plan.steps
        if step.name in _NAMES
        and target in step.targets
        and why_not_made(finished.facts(step)) is None
    )


def pruned(branches: Iterable[Branch], plan: Plan, finished: Finished) -> tuple[Pruned, ...]:
    """How each student that was pruned came by its widths.

    Args:
        branches: The students of one target.
        plan: The plan of the run.
        finished: Its stored steps.
    """
    found = []
    for branch in branches:
        step: PlannedStep | None = branch.exports.get("pruned")
        while step is not None and step.name != "prune":
            step = plan.find(step.inputs["network"])
        if step is not None:
            document = {**finished.facts(step)["search"], "student": branch.student}
            found.append(Pruned.read(document, file=step.name))
    return tuple(found)


def _learned(step: PlannedStep, facts: Mapping[str, Any]) -> LearningStep:
    gain = facts.get("accuracy_gain")
    return LearningStep(
        name=step.name,
        title=step.title,
        samples=facts.get("samples"),
        labelled=facts.get("labelled"),
        accuracy_before=facts.get("validation_accuracy_before"),
        accuracy_after=facts.get("validation_accuracy_after"),
        gain=None if gain is None else Quantity.read(gain, file=step.name),
        curation=Curation.read(_only(Curation, facts), file=step.name)
        if step.name == "curate"
        else None,
        feedback=Feedback.read(_only(Feedback, facts), file=step.name)
        if step.name == "feedback"
        else None,
    )


def _only(kind: type[Curation | Feedback], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a step's facts that the report has room for."""
    chosen = {name: facts[name] for name in kind.model_fields}
    if "cuts" in chosen:
        fields = ("field", "taken", "classes", "groups")
        chosen["cuts"] = [{name: cut[name] for name in fields} for cut in chosen["cuts"]]
    return chosen
