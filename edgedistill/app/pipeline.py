"""Runs a plan in a run folder: what is stored is taken, what is missing is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.core.stage import StageContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from edgedistill.app.plan import Plan, PlannedStep
    from edgedistill.core.stage import Progress
    from edgedistill.store import RunFolder, StoredStep


@dataclass(frozen=True)
class Finished:
    """A plan with every step stored."""

    steps: Mapping[str, StoredStep]
    """Key to stored step."""
    made: int
    """How many steps this call ran."""
    reused: int
    """How many steps were stored already."""

    def folder(self, step: PlannedStep) -> Path:
        """The folder of a planned step."""
        return self.steps[step.key].folder

    def facts(self, step: PlannedStep) -> Mapping[str, Any]:
        """The facts of a planned step."""
        return self.steps[step.key].facts


def execute(
    plan: Plan,
    run: RunFolder,
    *,
    seed: int,
    threads: int,
    progress: Progress,
    checks: Mapping[str, Callable[[Path], None]],
) -> Finished:
    """Runs what is missing, in order.

    Args:
        plan: The plan.
        run: The run folder, its lock held.
        seed: The recipe's seed.
        threads: Processor threads for training.
        progress: Where the run tells how far it is.
        checks: Step key to what is called with its folder before any later step runs.
    """
    stored: dict[str, StoredStep] = {}
    made = 0
    for place, step in enumerate(plan.steps, start=1):
        found = run.find(step.name, step.key)
        if found is None:
            progress.say(f"[{place}/{len(plan.steps)}] {step.title}")
            found = _make(step, run, stored, seed=seed, threads=threads, progress=progress)
            made += 1
        stored[step.key] = found
        if step.key in checks:
            checks[step.key](found.folder)
    run.tidy()
    return Finished(steps=stored, made=made, reused=len(plan.steps) - made)


def _make(
    step: PlannedStep,
    run: RunFolder,
    stored: Mapping[str, StoredStep],
    *,
    seed: int,
    threads: int,
    progress: Progress,
) -> StoredStep:
    folders = {role: stored[key].folder for role, key in step.inputs.items()}

    def work(folder: Path, checkpoint: Path) -> Mapping[str, Any]:
        stage = step.make(folders)
        context = StageContext(folder, seed, threads, progress, checkpoint)
        return stage.run(context).facts

    return run.make(step.name, step.key, inputs=dict(step.inputs), work=work)
