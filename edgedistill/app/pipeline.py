"""Runs a plan in a run folder: what is stored is taken, what is missing is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.core.stage import SilentProgress, StageContext
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from edgedistill.app.plan import Plan, PlannedStep
    from edgedistill.core.stage import Company, Progress
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
    company: Company,
) -> Finished:
    """Runs what is missing, in order; steps that several processes share call the others in.

    Args:
        plan: The plan.
        run: The run folder, its lock held.
        seed: The recipe's seed.
        threads: Processor threads for training.
        progress: Where the run tells how far it is.
        checks: Step key to what is called with its folder before any later step runs.
        company: The processes of this run, of which this is the first.
    """
    stored: dict[str, StoredStep] = {}
    made = 0

    def make(step: PlannedStep) -> StoredStep:
        folders = {role: stored[key].folder for role, key in step.inputs.items()}

        def work(folder: Path, checkpoint: Path) -> Mapping[str, Any]:
            places = _Places(folders, folder, checkpoint)
            if not step.together:
                return places.run(step, StageContext(folder, seed, threads, progress, checkpoint))
            company.share(places.call(step))
            context = StageContext(folder, seed, threads, progress, checkpoint, company)
            return places.run(step, context)

        return run.make(step.name, step.key, inputs=dict(step.inputs), work=work)

    for place, step in enumerate(plan.steps, start=1):
        found = run.find(step.name, step.key)
        if found is None:
            progress.say(f"[{place}/{len(plan.steps)}] {step.title}")
            found = make(step)
            made += 1
        stored[step.key] = found
        if step.key in checks:
            checks[step.key](found.folder)
    company.share(None)
    run.tidy()
    return Finished(steps=stored, made=made, reused=len(plan.steps) - made)


def follow(plan: Plan, *, seed: int, threads: int, company: Company) -> None:
    """Takes part in the steps that the first process calls the others to, until it has all.

    Args:
        plan: The plan, the same as the first process has.
        seed: The recipe's seed.
        threads: Processor threads for training.
        company: The processes of this run, of which this is not the first.

    Raises:
        InputError: If the first process is at a step that this one has not planned, or its run
            folder is not to be seen from here.
    """
    while (call := company.share(None)) is not None:
        step = plan.find(call["key"])
        if step is None:
            raise InputError(
                Fault(
                    problem="the processes of this run have planned different steps",
                    remedy="Start all with the same recipe, data, library versions and kind of "
                    "processor",
                )
            )
        if not Path(call["folder"]).is_dir():
            raise InputError(
                Fault(
                    file=call["folder"],
                    problem="this process does not see the run folder of the first one",
                    remedy="Put it on a disk that all machines see under the same path",
                )
            )
        folders = {role: Path(folder) for role, folder in call["inputs"].items()}
        places = _Places(folders, Path(call["folder"]), Path(call["checkpoint"]))
        silent = SilentProgress()
        context = StageContext(places.folder, seed, threads, silent, places.checkpoint, company)
        places.run(step, context)


@dataclass(frozen=True)
class _Places:
    """The folders of one step at work."""

    inputs: Mapping[str, Path]
    folder: Path
    checkpoint: Path

    def run(self, step: PlannedStep, context: StageContext) -> Mapping[str, Any]:
        return step.make(self.inputs).run(context).facts

    def call(self, step: PlannedStep) -> dict[str, Any]:
        """What the other processes must know to take part."""
        inputs = {role: str(folder.resolve()) for role, folder in self.inputs.items()}
        places = {
            "folder": str(self.folder.resolve()),
            "checkpoint": str(self.checkpoint.resolve()),
        }
        return {"key": step.key, "inputs": inputs, **places}
