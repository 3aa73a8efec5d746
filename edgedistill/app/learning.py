"""The shared beginning of the road: data, teacher, answers, student, pruning and recovery."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill import models
from edgedistill.app.adoption import Adoption
from edgedistill.app.asked_teacher import AskedTeacherRoad
from edgedistill.app.fine_tuning import rounding_of
from edgedistill.app.lessons import ROOMS, LessonRoad, schedule
from edgedistill.core.pruned import UNITS
from edgedistill.core.strict import plain
from edgedistill.data import open_dataset
from edgedistill.stages.curate import Curation
from edgedistill.stages.distill import Teach, Train, open_answers
from edgedistill.stages.prune.stage import Pruning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.app.networks import Learner, Networks
    from edgedistill.app.plan import Plan, PlannedStep
    from edgedistill.core.learning import Distill
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.pruning import Prune
    from edgedistill.core.recipe import Recipe
    from edgedistill.data import Source
    from edgedistill.models import Network


@dataclass(frozen=True)
class LearningRoad:
    """Plans the steps that end in a network."""

    recipe: Recipe
    source: Source
    fingerprint: str
    """Of the source: read once, for all of its samples enter it."""
    networks: Networks
    plan: Plan
    learner: Learner
    """Whose branch this is; all branches share data, teacher and answers."""

    def data(self, target: str) -> PlannedStep:
        """The prepared data."""
        return self.plan.add(
            "data",
            f"data: read {self.recipe.data.source}",
            config={"fingerprint": self.fingerprint},
            inputs={},
            code=("data",),
            make=lambda _folders: self.source,
            target=target,
            seeded=False,
        )

    def teacher(self, target: str) -> PlannedStep:
        """The teacher, trained first where it has no weights."""
        model = self.recipe.teacher
        training = self.networks.teacher_training

        def make(folders: Mapping[str, Path]) -> Train | Adoption:
            dataset = open_dataset(folders["data"])
            network = self.networks.fresh_teacher(dataset)
            if training is None:
                return Adoption(network=network)
            return Train(
                network=network, dataset=dataset, training=training, title="training the teacher"
            )

        title = f"teacher: adopt {' and '.join(part.source for part in model.parts)}"
        if training is not None:
            title = f"teacher: train {model.source} on the labels, {training.epochs} epochs"
        return self.plan.add(
            "teacher",
            title,
            config={
                "model": self.networks.teacher_fingerprint,
                "train": None if training is None else plain(training),
            },
            inputs={"data": self.data(target)},
            code=ROOMS,
            make=make,
            target=target,
            together=training is not None,
        )

    def asked(self, target: str) -> AskedTeacherRoad:
        """The steps of a teacher behind an endpoint."""
        return AskedTeacherRoad(self.recipe.teacher, self.plan, self.data(target), target)

    def answers(self, target: str, member: int | None = None) -> PlannedStep:
        """The teacher's answers on every view of every training sample.

        Args:
            target: The target that needs them.
            member: Of an ensemble, whose own answers are wanted; None for what the teacher says.
        """
        config = self.recipe.stages_for(target).answers
        if self.networks.teacher_is_asked:
            return self.asked(target).answers(config)
        views = self.recipe.data.augmentation.views
        each = "once" if views == 1 else f"in {views} views"
        who = "the teacher" if member is None else f"member {member + 1} of the teacher"

        def make(folders: Mapping[str, Path]) -> Teach:
            teacher = self.networks.teacher(folders["teacher"])
            return Teach(
                network=teacher if member is None else models.members(teacher)[member],
                dataset=open_dataset(folders["data"]),
                config=config,
            )

        return self.plan.add(
            "answers",
            f"answers: ask {who} about each training sample {each}",
            config={"answers": plain(config), "member": member},
            inputs={"data": self.data(target), "teacher": self.teacher(target)},
            code=ROOMS,
            make=make,
            target=target,
            together=True,
        )

    def heart(self, target: str) -> PlannedStep:
        """Which training samples are learned, whose labels are believed, and how hard each is."""
        config = self.recipe.stages_for(target).curate
        inputs = {"data": self.data(target), "answers": self.answers(target)}
        cuts = () if config is None else (*config.head, *config.tail)
        if any(cut.score == "member_agreement" for cut in cuts):
            for member in range(len(self.recipe.teacher.members)):
                inputs[f"member-{member}"] = self.answers(target, member)

        def make(folders: Mapping[str, Path]) -> Curation:
            members = sorted(role for role in folders if role.startswith("member-"))
            return Curation(
                dataset=open_dataset(folders["data"]),
                answers=open_answers(folders["answers"]),
                config=config,
                members=[open_answers(folders[role]) for role in members],
            )

        cut = "scores only" if config is None else "head and tail are cut"
        return self.plan.add(
            "curate",
            f"curate: each training sample by the teacher's answers, {cut}",
            config={"curate": None if config is None else plain(config)},
            inputs=inputs,
            code=("data", "tasks", "stages/curate"),
            make=make,
            target=target,
        )

    def student(self, target: str, config: Distill | None) -> PlannedStep:
        """The student, distilled, or adopted where the recipe leaves distillation out."""
        source = self.learner.model.source
        if config is None:
            self.networks.require_student_weights(self.learner)
            return self.plan.add(
                "student",
                f"student: {self.called}adopt {source}",
                config={"model": self.networks.student_fingerprints[self.learner.name]},
                inputs={"data": self.data(target)},
                code=ROOMS,
                make=lambda folders: Adoption(
                    network=self.networks.fresh_student(self.learner, open_dataset(folders["data"]))
                ),
                target=target,
            )
        lessons = LessonRoad(self, target, config)
        return lessons.taught(
            "distill",
            f"distill: {self.called}{source} learns from the teacher, {schedule(config)}",
            start=None,
        )

    def pruned(
        self, target: str, config: Prune, base: PlannedStep, searched: PlannedStep | None = None
    ) -> PlannedStep:
        """The pruned and recovered network.

        Args:
            target: The target that needs it.
            config: How much is pruned and how the network recovers.
            base: The network to prune.
            searched: The step that found the widths, where the goal's cost had to be asked for.
        """

        def make(folders: Mapping[str, Path]) -> Pruning:
            return Pruning(
                network=self.compressed(folders["network"]),
                dataset=open_dataset(folders["data"]),
                config=config,
                base=Path(),
                live=self.networks.live,
                searched=folders.get("widths"),
            )

        inputs = {"data": self.data(target), "network": base}
        pruned = self.plan.add(
            "prune",
            f"prune: {self.called}whole channels, to {goal_title(config)}",
            config={key: value for key, value in plain(config).items() if key != "recover"},
            inputs=inputs if searched is None else {**inputs, "widths": searched},
            code=("data", "models", "tasks", "stages/prune"),
            make=make,
            target=target,
        )
        return self._recovered(target, config.recover, pruned)

    def fine_tuned(
        self,
        target: str,
        config: Distill,
        base: PlannedStep,
        *,
        scheme: QuantizationScheme,
        quantized: PlannedStep,
    ) -> PlannedStep:
        """The network after it learned in rounded numbers; nothing where int8 does without.

        Args:
            target: The target that needs it.
            config: How it learns.
            base: The network that was quantized.
            scheme: How its numbers are rounded.
            quantized: The step that quantized it and says whether the accuracy is kept.
        """
        lessons = LessonRoad(
            self,
            target,
            config,
            title="learning in rounded numbers",
            key="stages.quantize.fine_tune",
            rounding=rounding_of(scheme),
            unless_kept_by=quantized,
        )
        return lessons.taught(
            "fine-tune",
            f"fine-tune: {self.called}only where int8 breaks the accuracy budget, in numbers "
            f"rounded as in {scheme.label}, {schedule(config)}",
            start=base,
        )

    def compressed(self, folder: Path) -> Network:
        """The network that a step of the student's road saved."""
        return self.networks.compressed(self.learner, folder)

    @property
    def called(self) -> str:
        """The student's name in front of what is done to it, where there are several."""
        return f"{self.learner.name}: " if len(self.networks.learners) > 1 else ""

    def _recovered(self, target: str, config: Distill, pruned: PlannedStep) -> PlannedStep:
        lessons = LessonRoad(
            self, target, config, title="recovering from pruning", key="stages.prune.recover"
        )
        return lessons.taught(
            "recover",
            f"recover: {self.called}the pruned network learns from the same answers, "
            f"{schedule(config)}",
            start=pruned,
        )


def goal_title(config: Prune) -> str:
    """What pruning is to reach, in a few words."""
    if config.goal.endswith("_ratio"):
        return f"{config.asked:g} of the {UNITS[config.goal]}"
    return f"{config.goal} {config.asked:g}"
