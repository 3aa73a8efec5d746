"""Where the teacher and the student of a run come from, and how they are read back from disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill import models
from edgedistill.app.graph_teachers import require_reportable
from edgedistill.core.teacher import ENDPOINT
from edgedistill.errors import Fault, InputError
from edgedistill.models import Signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.learning import Training
    from edgedistill.core.recipe import Recipe
    from edgedistill.core.teacher import Model, Teacher
    from edgedistill.data import Dataset
    from edgedistill.models import Live, Network

_NO_BASE = Path()
"""Paths in a resolved recipe are absolute."""


@dataclass(frozen=True)
class Learner:
    """A network that is compressed: a student, or the teacher itself where there is none."""

    name: str
    model: Model
    field: str
    """Where it stands in the recipe, for errors."""


@dataclass(frozen=True)
class Networks:
    """Builds and reads back the networks of one run."""

    recipe: Recipe
    live: Live = field(default_factory=dict)

    @cached_property
    def learners(self) -> tuple[Learner, ...]:
        """What is compressed: each student, or the teacher itself where there is none."""
        students = self.recipe.students
        if not students:
            return (Learner("teacher", self.recipe.teacher, "student"),)
        listed = isinstance(self.recipe.student, tuple)
        return tuple(
            Learner(str(one.name), one, f"student.{place}" if listed else "student")
            for place, one in enumerate(students)
        )

    @property
    def teacher_is_asked(self) -> bool:
        """Whether the teacher is behind an endpoint: it has answers, and is no network here."""
        return self.recipe.teacher.source == ENDPOINT

    @cached_property
    def teacher_training(self) -> Training | None:
        """How the teacher is trained first; None where it comes with its weights, or has none here.

        A `python:` function without a weights file has its weights where it builds the same
        network whatever the seed: then it has loaded them itself.

        Raises:
            InputError: If it has no weights and the recipe does not say how to train it, it has
                weights and the recipe says to train it, or a member of it has none.
        """
        teacher = self.recipe.teacher
        if self.teacher_is_asked:
            return None
        if teacher.members:
            self._require_members_weights(teacher)
            return None
        if not self._brings_weights(teacher, "teacher"):
            if teacher.train is None:
                raise InputError(
                    Fault(
                        field="teacher",
                        given=teacher.source,
                        problem="has neither weights nor train",
                        remedy="Give weights: FILE.safetensors, or train: {epochs: N} to train it "
                        "first",
                    )
                )
            return teacher.train
        if teacher.train is not None:
            raise InputError(
                Fault(
                    field="teacher.train",
                    given=teacher.source,
                    problem="is given, but the teacher has its weights already",
                    remedy="Leave out train to take the weights as they are",
                )
            )
        return None

    def require_student_weights(self, student: Learner) -> None:
        """Refuses a student that nothing teaches and that has no weights.

        Raises:
            InputError: If the student's source brings none and the recipe gives none.
        """
        if not self._brings_weights(student.model, student.field):
            raise InputError(
                Fault(
                    field="stages.distill",
                    given="null",
                    problem="is left out, but the student has no weights",
                    remedy=f"Give {student.field}.weights, or leave out student to compress the "
                    "teacher itself",
                )
            )

    def _require_members_weights(self, teacher: Teacher) -> None:
        fields = {f"teacher.members.{i}": member for i, member in enumerate(teacher.members)}
        faults = [
            Fault(
                field=field,
                given=member.source,
                problem="has no weights, and the members of an ensemble are not trained here",
                remedy="Give weights: FILE.safetensors",
            )
            for field, member in fields.items()
            if not self._brings_weights(member, field)
        ]
        if faults:
            raise InputError(*faults)

    def _brings_weights(self, model: Model, field: str) -> bool:
        """Whether it has weights; a function of the user's own may have loaded them itself."""
        if models.has_weights(model, base=_NO_BASE, live=self.live, field=field):
            return True
        return models.runs_code(model) and not models.draws_weights(
            model, base=_NO_BASE, field=field
        )

    @property
    def from_transformers(self) -> bool:
        """Whether any network comes from transformers."""
        parts = (*self.recipe.teacher.parts, *self.recipe.students)
        return any(model.source.startswith("hf:") for model in parts)

    @cached_property
    def teacher_fingerprint(self) -> str:
        """Hash of what the teacher is built from."""
        return models.fingerprint(
            self.recipe.teacher, base=_NO_BASE, live=self.live, field="teacher"
        )

    @cached_property
    def student_fingerprints(self) -> Mapping[str, str]:
        """Hash of what each student is built from, by its name."""
        return {
            one.name: models.fingerprint(one.model, base=_NO_BASE, live=self.live, field=one.field)
            for one in self.learners
        }

    def fresh_teacher(self, dataset: Dataset) -> Network:
        """The teacher as its source gives it."""
        network = self._fresh(self.recipe.teacher, dataset, "teacher")
        require_reportable(network, dataset)
        return network

    def fresh_student(self, student: Learner, dataset: Dataset) -> Network:
        """A student as its source gives it, its weights drawn from the recipe's seed."""
        return self._fresh(student.model, dataset, student.field)

    def teacher(self, folder: Path) -> Network:
        """The teacher as a step saved it."""
        return models.load(
            folder, model=self.recipe.teacher, base=_NO_BASE, live=self.live, field="teacher"
        )

    def compressed(self, student: Learner, folder: Path) -> Network:
        """A student as a step saved it, pruned or not."""
        return models.load(
            folder, model=student.model, base=_NO_BASE, live=self.live, field=student.field
        )

    def _fresh(self, model: Model, dataset: Dataset, name: str) -> Network:
        signature = Signature(
            inputs=dataset.input_shapes,
            classes=len(dataset.class_names),
            dtypes=dataset.input_dtypes,
        )
        return models.create(
            model,
            signature,
            base=_NO_BASE,
            seed=self.recipe.seed,
            preprocessing=dataset.preprocessing,
            live=self.live,
            field=name,
        )
