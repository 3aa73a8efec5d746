"""How networks learn: the training itself, and every way a teacher can teach."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.strict import Strict

Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class Training(Strict):
    """How a network is trained: AdamW or SGD under a one-cycle schedule."""

    epochs: int = Field(ge=1)
    """How often each training sample is seen."""
    batch_size: int = Field(default=128, ge=1)
    """Samples in one step of the optimizer, over all processes."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """The peak of the schedule."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled from the gradient under AdamW (Loshchilov and Hutter 2019)."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """adamw, or sgd with Nesterov momentum."""
    label_smoothing: Fraction = 0.0
    """Share of each label that is spread over all classes (Szegedy et al. 2016)."""


class LayerPair(Strict):
    """A layer of the student that learns from a layer of the teacher, beside the answers.

    The teacher runs at each step then, since what its layers say is too large to keep.
    """

    teacher: str
    """Name of a module of the teacher, as named_modules() gives it."""
    student: str
    """Name of a module of the student."""
    method: Literal["hint", "attention", "similarity", "distance", "angle"]
    """hint (FitNets, arXiv 1412.6550), attention (arXiv 1612.03928), similarity (arXiv
    1907.09682), distance or angle (RKD, arXiv 1904.05068)."""
    weight: float = Field(gt=0)
    """Of this pair's loss beside the others."""


class Curriculum(Strict):
    """Easy samples first, by the teacher's own confidence (Bengio et al. 2009).

    The number of steps stays what it is without: easy samples come more often at first.
    """

    start: Share = 0.5
    """The easiest share of the samples, which the first epoch takes from."""
    full_by: Share = 0.5
    """Share of the epochs after which all samples take part; the share grows evenly till then."""


class Feedback(Strict):
    """After the lesson, the student's own errors are replayed, corrected by the teacher."""

    rounds: int = Field(default=1, ge=1)
    """How often errors are looked for and replayed."""
    sure: Share = 0.8
    """The teacher corrects where its highest probability is at least this; other errors are
    dropped from the round."""
    errors: Share = 0.5
    """Share of errors among the samples of a round; the rest is drawn from all that it learned,
    so that it forgets nothing."""
    train: Training = Training(epochs=1, learning_rate=5e-4)
    """How a round is trained."""


class Distill(Strict):
    """What a student learns from its teacher's answers, from its layers and from labels."""

    method: Literal["kd", "dkd", "dist"] = "kd"
    """Loss on the answers: kd (Hinton et al. 2015, arXiv 1503.02531), dkd (decoupled, arXiv
    2203.08679) or dist (correlation, arXiv 2205.10536)."""
    standardize: bool = False
    """Sets both answers to mean 0 and spread 1 first (logit standardization, arXiv 2403.01427)."""
    temperature: float = Field(default=4.0, gt=0)
    """Softens the answers of teacher and student. In short lessons 1 taught more than 4
    (benchmarks/README.md)."""
    alpha: Fraction = 0.9
    """Weight of the teacher's answers; 1 - alpha is the weight of the labels."""
    target_weight: float = Field(default=1.0, ge=0)
    """dkd: weight of what the teacher says of the right class (alpha in the paper)."""
    nontarget_weight: float = Field(default=8.0, ge=0)
    """dkd: weight of what it says of the other classes (beta in the paper)."""
    inter_weight: float = Field(default=1.0, ge=0)
    """dist: weight of the relation between the classes of a sample (beta in the paper)."""
    intra_weight: float = Field(default=1.0, ge=0)
    """dist: weight of the relation between the samples of a class (gamma in the paper)."""
    layers: tuple[LayerPair, ...] = Field(default=(), strict=False)
    """Layers that learn from layers of the teacher."""
    curriculum: Curriculum | None = None
    """Easy samples first; null for all from the start."""
    feedback: Feedback | None = None
    """Rounds in which the student's errors are replayed; null for none."""
    train: Training = Training(epochs=10)
    """How the lesson is trained."""

    @model_validator(mode="after")
    def _something_teaches(self) -> Self:
        pairs = {
            "dkd": (self.target_weight, self.nontarget_weight),
            "dist": (self.inter_weight, self.intra_weight),
        }
        if self.method in pairs and not any(pairs[self.method]):
            raise ValueError(f"both weights of {self.method} are 0. Give one of them above 0")
        return self


class Answers(Strict):
    """How the teacher's answers are kept: asked once, looked up by whoever learns from them."""

    precision: Literal["float16", "float32"] = "float16"
    """Of a kept logit."""
    top_k: int | None = Field(default=None, ge=1)
    """Keeps the k highest classes of each answer, and of the rest the probability that remains,
    for many classes; null keeps all."""
    max_size_mb: float = Field(default=4096.0, gt=0)
    """More on disk than this is refused before the teacher is asked."""
