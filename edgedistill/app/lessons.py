"""The lessons of the road: what a teacher teaches a student, and the feedback after."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edgedistill.app.fine_tuning import unneeded
from edgedistill.core.strict import plain
from edgedistill.data import open_dataset
from edgedistill.stages.curate import open_curation
from edgedistill.stages.distill import Distillation, Replay, open_answers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.learning import LearningRoad
    from edgedistill.app.plan import PlannedStep
    from edgedistill.core.learning import Distill, Feedback
    from edgedistill.core.stage import Stage
    from edgedistill.stages.curate import Curated
    from edgedistill.stages.distill import Rounding

ROOMS = ("data", "models", "tasks", "stages/distill")
"""Whose sources make a trained network what it is."""


@dataclass(frozen=True)
class LessonRoad:
    """Plans the steps in which a network learns from the teacher."""

    learning: LearningRoad
    target: str
    config: Distill
    title: str = "learning from the teacher"
    key: str = "stages.distill"
    """Where `config` stands in the recipe."""
    rounding: Rounding | None = None
    """How the network's numbers are rounded while it learns; None for not at all."""
    unless_kept_by: PlannedStep | None = None
    """The step whose int8 model may keep the accuracy already: then there is no lesson."""

    def taught(self, name: str, title: str, *, start: PlannedStep | None) -> PlannedStep:
        """The network after the lesson and its rounds of feedback.

        Args:
            name: Of the step.
            title: Of the step.
            start: The network that learns; None for a fresh student.
        """
        learning, config = self.learning, self.config
        inputs = self._inputs()
        if config.layers:
            inputs["teacher"] = learning.teacher(self.target)
        if self.unless_kept_by is not None:
            inputs["int8"] = self.unless_kept_by
        if start is not None:
            inputs["network"] = start

        own = learning.networks.student_fingerprints[learning.learner.name]
        fresh = {} if start else {"model": own}
        without_feedback = config.model_copy(update={"feedback": None})
        step = learning.plan.add(
            name,
            title,
            config={
                **fresh,
                "distill": plain(without_feedback),
                "rounding": None if self.rounding is None else asdict(self.rounding),
            },
            inputs=inputs,
            code=ROOMS,
            make=self._lesson,
            target=self.target,
            together=True,
        )
        if config.feedback is not None:
            for number in range(1, config.feedback.rounds + 1):
                step = self._round(number, config.feedback, step)
        return step

    def _lesson(self, folders: Mapping[str, Path]) -> Stage:
        """The lesson, by the folders of the steps it reads; nothing where int8 does without."""
        nothing = unneeded(folders["int8"]) if "int8" in folders else None
        if nothing is not None:
            return nothing
        learning, dataset = self.learning, open_dataset(folders["data"])
        if "network" in folders:
            network = learning.compressed(folders["network"])
        else:
            network = learning.networks.fresh_student(learning.learner, dataset)
        layers = self.config.layers
        return Distillation(
            network=network,
            dataset=dataset,
            answers=open_answers(folders["answers"]),
            config=self.config,
            heart=_heart(folders),
            teacher=learning.networks.teacher(folders["teacher"]) if layers else None,
            rounding=self.rounding,
            title=self.title,
            recipe_key=self.key,
        )

    def _round(self, number: int, feedback: Feedback, network: PlannedStep) -> PlannedStep:
        learning, config = self.learning, self.config

        def make(folders: Mapping[str, Path]) -> Replay:
            return Replay(
                network=learning.compressed(folders["network"]),
                dataset=open_dataset(folders["data"]),
                answers=open_answers(folders["answers"]),
                config=config,
                feedback=feedback,
                number=number,
                heart=_heart(folders),
                recipe_key=f"{self.key}.feedback",
            )

        return learning.plan.add(
            "feedback",
            f"feedback: {learning.called}round {number} of {feedback.rounds}, the student's "
            "errors are replayed",
            config={"round": number, "distill": plain(config)},
            inputs={**self._inputs(), "network": network},
            code=ROOMS,
            make=make,
            target=self.target,
            together=True,
        )

    def _inputs(self) -> dict[str, PlannedStep]:
        """What every lesson reads."""
        learning, target = self.learning, self.target
        inputs = {"data": learning.data(target), "answers": learning.answers(target)}
        if learning.recipe.stages_for(target).curate or self.config.curriculum:
            inputs["heart"] = learning.heart(target)
        return inputs


def _heart(folders: Mapping[str, Path]) -> Curated | None:
    return open_curation(folders["heart"]) if "heart" in folders else None


def schedule(config: Distill) -> str:
    """How a lesson goes, in a few words."""
    method = config.method.upper()
    standardized = " on standardized answers" if config.standardize else ""
    return (
        f"{config.train.epochs} epochs, {method}{standardized}, T {config.temperature:g}, "
        f"alpha {config.alpha:g}"
    )
