"""What one ONNX file does otherwise than another that this tool need not have made: facts only."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.damage import Damage
from edgedistill.core.evidence import Conditions, Quantity
from edgedistill.core.quantized import AgreementKind, ModelInput
from edgedistill.core.report import Latency
from edgedistill.core.strict import Strict


class ComparedModel(Strict):
    """One of the two files."""

    name: str
    """A or B, with the file's name."""
    file: str
    """The file's name, without the folders above it."""
    sha256: str
    """Of the file and of those beside it that hold its weights."""
    inputs: tuple[ModelInput, ...] = Field(strict=False, min_length=1)
    """What it takes, in the order of its graph."""
    accuracy: Quantity | None
    """Share of right answers; absent without labels."""
    latency: Latency | None
    """Its speed-up is against A. Absent where nothing was measured and nothing can be estimated."""
    size_mb: Quantity
    """Of the file with all its weights inside."""
    macs: Quantity | None
    """Multiply-accumulates of one inference; absent where they cannot be counted."""
    parameters: Quantity | None
    """Weights of the graph; absent as macs."""


class ComparedSamples(Strict):
    """What both were asked."""

    source: str
    """Name of the folder or file, without the folders above it."""
    kind: Literal["pictures", "arrays", "texts"]
    """What they are."""
    sha256: str
    """Of the samples that were taken, and of everything done to them."""
    found: int = Field(ge=1)
    """How many there are."""
    compared: int = Field(ge=1)
    """How many of them both models were asked."""
    labelled: bool
    """Whether the right classes are known."""


class Comparison(Strict):
    """All facts about B beside A on the same samples."""

    schema_version: Literal[1]
    """Version of this document's schema."""
    kind: Literal["edgedistill-comparison"] = "edgedistill-comparison"
    """Which document it is."""
    target: str
    """The device whose latency is asked for."""
    target_title: str
    """The device's name in words."""
    runtime: str
    """The profile's runtime that both ran in, or that their latency is estimated for."""
    models: tuple[ComparedModel, ComparedModel] = Field(strict=False)
    """A, compared with, and B, judged."""
    samples: ComparedSamples
    """What both were asked."""
    preprocessing: dict[str, object] | None
    """What is done to a picture or text; absent for arrays, which are taken as they are."""
    preprocessing_from: Literal["given", "model", "given over model"] | None
    """Who said so; absent for arrays."""
    agreement_kind: AgreementKind
    """Which figure agreement is."""
    agreement: Quantity | None
    """How near B's outputs are to A's; absent where it cannot be told."""
    changed: Quantity | None
    """Share of samples to which B gives another class than A; absent where outputs are no classes.
    """
    relative_error: float | None = Field(ge=0)
    """Root mean square of the difference from A's outputs over that of their spread, of the output
    where it is greatest; absent where one gives probabilities and the other does not."""
    accuracy_drop: Quantity | None
    """Accuracy of A minus that of B on the same samples; absent without labels."""
    damage: Damage | None
    """Sample by sample; absent without labels."""
    conditions: Conditions | None
    """Of the latency measurement; absent where there was none."""
    notes: tuple[str, ...] = Field(default=(), strict=False)
    """What a reader must know, for instance that there are no labels."""
    seed: int
    """Drew the samples and the order of the measurement."""
    versions: dict[str, str]
    """Of Python and of the libraries, by name."""

    @model_validator(mode="after")
    def _labelled_or_not(self) -> Self:
        told = [self.accuracy_drop, self.damage, *(one.accuracy for one in self.models)]
        if any((figure is not None) != self.samples.labelled for figure in told):
            raise ValueError(
                "accuracy and damage are there with labels and absent without. Run compare again"
            )
        return self
