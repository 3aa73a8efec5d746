"""The plan: a tree of steps whose shared beginning branches per target.

Keys follow from the recipe, the data and the code alone, so the whole plan is known before
anything runs: what is shared, what is stored already, what will run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from edgedistill.store import code_sha256, step_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edgedistill.core.stage import Stage


@dataclass(frozen=True)
class PlannedStep:
    """One step of the plan."""

    name: str
    """A part of the step's folder name."""
    key: str
    title: str
    """What it does, for a person."""
    inputs: Mapping[str, str]
    """Role to key of each step it reads."""
    parent: str | None
    """Key of the step it hangs under in the tree."""
    make: Callable[[Mapping[str, Path]], Stage]
    """Builds the stage from role to folder of its inputs; called only if the step must run."""
    targets: tuple[str, ...]
    """Which targets need it."""
    together: bool
    """Whether all processes of the run work on it; else the first does alone."""


@dataclass
class Plan:
    """Steps in an order in which each comes after what it reads."""

    libraries: Mapping[str, str]
    """Versions and processor class: they enter the key of every step."""
    training: Mapping[str, str]
    """Seed and threads: they enter the key of every step but those that say otherwise."""
    _steps: dict[str, PlannedStep] = field(default_factory=dict)
    _code: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Hash of the sources of some rooms, read once a plan: many steps share their rooms."""

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        """All steps, inputs first."""
        return tuple(self._steps.values())

    def find(self, key: str) -> PlannedStep | None:
        """The step with this key, or None."""
        return self._steps.get(key)

    def add(  # noqa: PLR0913  # a step is all of these; all but two by keyword
        self,
        name: str,
        title: str,
        *,
        config: Mapping[str, Any],
        inputs: Mapping[str, PlannedStep],
        code: tuple[str, ...],
        make: Callable[[Mapping[str, Path]], Stage],
        target: str,
        seeded: bool = True,
        together: bool = False,
    ) -> PlannedStep:
        """Adds a step, or joins the target to the same step if another target planned it.

        Args:
            name: The step's name.
            title: What it does, for a person.
            config: Everything the step reads beside its inputs, as plain JSON values.
            inputs: Role to planned step; the last one is its parent in the tree.
            code: The rooms whose sources do the work.
            make: Builds the stage from role to folder.
            target: The target that needs the step.
            seeded: Whether its bytes depend on the recipe's seed and threads.
            together: Whether all processes of the run work on it.
        """
        keys = {role: step.key for role, step in inputs.items()}
        key = step_key(
            name,
            config=config,
            inputs=keys,
            code=self._code_sha256(code),
            environment={**self.libraries, **(self.training if seeded else {})},
        )
        known = self._steps.get(key)
        targets = known.targets if known else ()
        if target not in targets:
            targets = (*targets, target)
        parent = tuple(keys.values())[-1] if keys else None
        step = PlannedStep(
            name=name,
            key=key,
            title=title,
            inputs=keys,
            parent=parent,
            make=make,
            targets=targets,
            together=together,
        )
        self._steps[key] = step
        self._join(step, target)
        return step

    def _code_sha256(self, code: tuple[str, ...]) -> str:
        if code not in self._code:
            self._code[code] = code_sha256(*code)
        return self._code[code]

    def _join(self, step: PlannedStep, target: str) -> None:
        for key in step.inputs.values():
            below = self._steps[key]
            if target in below.targets:
                continue
            self._steps[key] = replace(below, targets=(*below.targets, target))
            self._join(below, target)


def tree(plan: Plan, *, stored: Callable[[PlannedStep], bool], targets: int) -> list[str]:
    """The plan as lines of text: a tree that says what is shared, stored and to be run.

    Args:
        plan: The plan.
        stored: Whether a step is finished in the run folder.
        targets: How many targets the whole run has.
    """
    children: dict[str | None, list[PlannedStep]] = {}
    for step in plan.steps:
        children.setdefault(step.parent, []).append(step)

    def lines(step: PlannedStep, lead: str, turn: str, below: str) -> list[str]:
        state = "stored" if stored(step) else "to run"
        shared = "all targets" if len(step.targets) == targets else ", ".join(step.targets)
        written = [f"{lead}{turn}{step.title}  [{state}; {shared}]"]
        kids = children.get(step.key, [])
        for place, kid in enumerate(kids):
            last = place == len(kids) - 1
            written += lines(kid, lead + below, "└─ " if last else "├─ ", "   " if last else "│  ")
        return written

    return [line for root in children.get(None, []) for line in lines(root, "", "", "")]
