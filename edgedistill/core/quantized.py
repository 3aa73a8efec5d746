"""What quantizing a model without recipe and labels came to: facts only, one target."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.evidence import Conditions, Quantity
from edgedistill.core.opening import OpenedWith
from edgedistill.core.profile import Precision
from edgedistill.core.report import Int8Check, Latency
from edgedistill.core.strict import Strict

FLOAT = "fp32"
"""The name of the float model among the candidates."""

AgreementKind = Literal["top-1", "signal", "values"]
"""How near two models are: top-1 is the share of samples to which both give the same class; signal
is the share of the float output's variance that is kept (1 less the squared error over the
variance); values is the share of equal whole numbers, for outputs that are such."""


class ModelInput(Strict):
    """What a model takes under one name."""

    name: str
    dtype: str
    """As numpy calls it, for instance float32 or int64."""
    shape: tuple[int | None, ...] = Field(strict=False)
    """The batch axis first; null where the model takes any size."""

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether one sample of this shape, without the batch axis, can be given to it."""
        own = self.shape[1:]
        return len(own) == len(shape) and all(
            wanted in (None, size) for wanted, size in zip(own, shape, strict=True)
        )

    def written(self) -> str:
        """Type and shape for a person, for instance float32 [batch, 3, 224, 224]."""
        first, *axes = self.shape
        names = ["batch" if first is None else str(first)]
        names += ["any" if axis is None else str(axis) for axis in axes]
        return f"{self.dtype} [{', '.join(names)}]"


class SamplesUsed(Strict):
    """Which samples were found and what they served for. None serves twice."""

    source: str
    """Name of the folder or file, without the folders above it."""
    kind: Literal["pictures", "arrays"]
    sha256: str
    """Of the samples that were taken, and of everything done to them."""
    found: int = Field(ge=1)
    calibration: int = Field(ge=1)
    """They show the ranges of the activations."""
    judging: int = Field(ge=0)
    """They judge how near a candidate is to the float model."""


class QuantizedCandidate(Strict):
    """One file that could ship."""

    name: str
    """fp32, fp16, or what the int8 candidate is called."""
    file: str
    """Where it lies beside the report."""
    precision: Precision
    """What it computes with."""
    model_sha256: str
    scheme: str | None
    """How int8 stands for real numbers, in words; absent where nothing is int8."""
    agreement: Quantity | None
    """With the float model, on the samples that judge; absent for the float model itself, and where
    it cannot be told."""
    relative_error: float | None = Field(ge=0)
    """Root mean square of the difference from the float outputs over that of their spread, of the
    output where it is greatest; absent as agreement is."""
    broken: str | None
    """Why it may not ship, in words; absent where it may."""
    latency: Latency | None
    """Its speed-up is against the float model. Absent where nothing was measured and nothing can be
    estimated."""
    size_mb: Quantity
    int8: Int8Check | None
    """Absent where nothing is int8."""


class NotMade(Strict):
    """A candidate that could not be made."""

    name: str
    reason: str


class Shipped(Strict):
    """Which candidate ships and why."""

    name: str
    file: str
    """The file's name beside the report."""
    decided: bool
    """False where the measurement could not tell or there was none."""
    reason: str


class QuantizeReport(Strict):
    """All facts about one model, quantized for one target without labels."""

    schema_version: Literal[1]
    """Version of this document's schema."""
    kind: Literal["edgedistill-quantize"] = "edgedistill-quantize"
    model: str
    """Name of the file that was given."""
    model_sha256: str
    target: str
    target_title: str
    runtime: str
    session: OpenedWith | None = None
    """What a session of the file that ships is opened with on the target; absent in reports made
    before this was told."""
    inputs: tuple[ModelInput, ...] = Field(strict=False, min_length=1)
    samples: SamplesUsed
    preprocessing: dict[str, object] | None
    """What is done to a picture; absent for arrays, which are taken as they are."""
    preprocessing_from: Literal["given", "model", "given over model"] | None
    """Who said so; absent for arrays."""
    agreement_kind: AgreementKind
    min_agreement: float
    """What agrees less with the float model does not ship."""
    max_relative_error: float | None = None
    """What has a greater relative error does not ship either; absent where there is no such
    limit."""
    candidates: tuple[QuantizedCandidate, ...] = Field(strict=False, min_length=1)
    """The float model first."""
    not_made: tuple[NotMade, ...] = Field(default=(), strict=False)
    choice: Shipped
    conditions: Conditions | None
    """Of the latency measurement; absent where there was none."""
    notes: tuple[str, ...] = Field(default=(), strict=False)
    """What a reader must know, for instance that few samples were left to judge."""
    seed: int
    versions: dict[str, str]
    steps: dict[str, str]
    """Step to its content-addressed key."""

    @model_validator(mode="after")
    def _ships_a_candidate(self) -> Self:
        if all(one.name != self.choice.name for one in self.candidates):
            raise ValueError(
                f"choice.name '{self.choice.name}' is no candidate. Run quantize again"
            )
        return self

    def shipped(self) -> QuantizedCandidate:
        """The candidate that ships."""
        return next(one for one in self.candidates if one.name == self.choice.name)
