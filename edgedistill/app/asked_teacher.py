"""The road of a teacher behind an endpoint: asked about each text, understood, kept as answers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill import tasks
from edgedistill.app.predictions import evaluated_splits
from edgedistill.core.strict import plain
from edgedistill.data import open_dataset
from edgedistill.errors import Fault, InputError
from edgedistill.stages.distill import Keep
from edgedistill.stages.respond import (
    Answering,
    ClassNames,
    Questions,
    Responding,
    open_verdicts,
)
from edgedistill.units import format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgedistill.app.plan import Plan, PlannedStep
    from edgedistill.core.endpoint import Endpoint
    from edgedistill.core.learning import Answers
    from edgedistill.core.teacher import Teacher
    from edgedistill.data import Dataset, Split

_ASKING = tuple(
    f"stages/respond/{name}.py"
    for name in (
        "journal",
        "log_probabilities",
        "prompts",
        "questions",
        "reply",
        "request",
        "responses",
        "stage",
        "stream",
        "wire",
        "writing",
    )
)
"""The sources that make stored responses what they are. How a response is understood is for another
step, so that a change there asks nothing anew."""


@dataclass(frozen=True)
class AskedTeacherRoad:
    """Plans the steps from a teacher behind an endpoint to answers that students learn from."""

    teacher: Teacher
    plan: Plan
    data: PlannedStep
    target: str

    @property
    def endpoint(self) -> Endpoint:
        """Who is asked."""
        return endpoint_of(self.teacher)

    def responses(self) -> PlannedStep:
        """What the endpoint said of each text of each split."""
        endpoint, question = self.endpoint, str(self.teacher.question)

        def make(folders: Mapping[str, Path]) -> Responding:
            dataset = open_dataset(folders["data"])
            require_askable(dataset)
            texts = tuple(_texts(split) for split in asked_splits(dataset).values())
            return Responding(
                prompts=Questions(question, dataset.class_names, texts),
                endpoint=endpoint,
                environment=os.environ,
            )

        return self.plan.add(
            "respond",
            f"respond: ask {endpoint.model} at {endpoint.url} about each text once",
            config={"endpoint": endpoint.asked(), "question": question},
            inputs={"data": self.data},
            code=_ASKING,
            make=make,
            target=self.target,
            seeded=False,
        )

    def verdicts(self) -> PlannedStep:
        """How probable each class is by each response."""
        endpoint, sure = self.endpoint, self.teacher.sure
        handling = {name: getattr(endpoint, name) for name in ("empty", "truncated", "refused")}

        def make(folders: Mapping[str, Path]) -> Answering:
            dataset = open_dataset(folders["data"])
            return Answering(
                responses=folders["responses"],
                splits={name: len(split) for name, split in asked_splits(dataset).items()},
                class_names=dataset.class_names,
                endpoint=endpoint,
                sure=sure,
            )

        return self.plan.add(
            "verdicts",
            "verdicts: how probable each class is by each response",
            config={"sure": sure, **handling},
            inputs={"data": self.data, "responses": self.responses()},
            code=("stages/respond",),
            make=make,
            target=self.target,
            seeded=False,
        )

    def answers(self, config: Answers) -> PlannedStep:
        """The verdicts on the training samples as the teacher's answers."""

        def make(folders: Mapping[str, Path]) -> Keep:
            said = open_verdicts(folders["verdicts"] / "train")
            dataset = open_dataset(folders["data"])
            return Keep(said.log_probabilities, said.understood, dataset, config)

        return self.plan.add(
            "answers",
            "answers: keep the verdicts on the training samples",
            config={"answers": plain(config)},
            inputs={"data": self.data, "verdicts": self.verdicts()},
            code=("data", "tasks", "stages/distill"),
            make=make,
            target=self.target,
            seeded=False,
        )


def endpoint_of(teacher: Teacher) -> Endpoint:
    """Where a teacher of source endpoint is asked; the recipe's schema requires it."""
    if teacher.endpoint is None:
        raise ValueError(f"the teacher {teacher.source} is not asked over HTTP")
    return teacher.endpoint


def asked_splits(dataset: Dataset) -> dict[str, Split]:
    """The splits that the teacher is asked about, in their order: to teach, and to be judged."""
    return {"train": dataset.train, **evaluated_splits(dataset)}


def require_askable(dataset: Dataset) -> None:
    """Refuses data that a teacher cannot be asked about in words, before anything is sent.

    Raises:
        InputError: If the samples are not texts, there are several views of them, or no answer
            could name one of the classes or tell two apart.
    """
    if dataset.train.texts is None:
        raise InputError(
            Fault(
                field="teacher.source",
                given="endpoint",
                problem="is a teacher that is asked in words, but the samples of "
                f"{dataset.source} are not texts",
                remedy="Give texts (data.source: csv:DIR_OR_FILE with preprocessing.kind: text), "
                "or another teacher",
            )
        )
    if dataset.train.views != 1:
        raise InputError(
            Fault(
                field="data.augmentation.views",
                given=str(dataset.train.views),
                problem="makes views of each sample, which a teacher behind an endpoint cannot see",
                remedy="Leave data.augmentation out",
            )
        )
    ClassNames.of(dataset.class_names)


def read_asked_evaluation(folder: Path, name: str, dataset: Dataset) -> tasks.Evaluation:
    """How good a teacher behind an endpoint is on one split.

    An answer that was not understood names no class: it is wrong, and agrees with none.

    Args:
        folder: Where `Answering` wrote.
        name: The split.
        dataset: The data it was asked about.
    """
    split, said = evaluated_splits(dataset)[name], open_verdicts(folder / name)
    return tasks.evaluate(
        said.log_probabilities,
        split.labels,
        split.groups,
        dataset.class_names,
        answered=said.understood,
    )


def asked_notes(
    teacher: Teacher, asked: Mapping[str, Any], understood: Mapping[str, Any]
) -> list[str]:
    """What a reader of the report must know of a teacher behind an endpoint.

    Args:
        teacher: The recipe's teacher.
        asked: Facts of the step that asked it.
        understood: Facts of the step that understood what it said.
    """
    endpoint = endpoint_of(teacher)
    served = " and ".join(asked["models_served"]) or "no name"
    level: str = understood["distillation"]
    how = (
        "the probabilities of its tokens"
        if level.startswith("token")
        else f"the class that it names, taken as {format_percent(teacher.sure)} sure"
    )
    missed, samples, splits = (understood[name] for name in ("not_understood", "samples", "splits"))
    parts = (
        f"{splits[split]['not_understood']} of {splits[split]['samples']} in {split}"
        for split in ("train", "validation", "test")
        if split in splits
    )
    return [
        f"The teacher is {endpoint.model} behind {endpoint.url}, which answered as {served}. "
        "It has no file here: its accuracy is that of its answers.",
        f"Distillation was {level}: the student learned from {how}.",
        f"{missed} of the teacher's answers to {samples} texts name no class or several and were "
        f"not understood ({', '.join(parts)}). They teach no class and count as wrong.",
    ]


def _texts(split: Split) -> Sequence[str]:
    texts = split.texts
    if texts is None:
        raise ValueError("only samples that are texts can be asked about")
    return texts
