"""What a model card and a bill of materials say of a model beyond its report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """An input or an output of an ONNX file."""

    name: str
    dtype: str
    """As numpy calls it, for instance float32."""
    shape: tuple[int | str, ...]
    """The batch axis first; an open axis by its name, ? where it has none."""


@dataclass(frozen=True)
class ModelFacts:
    """Where the model that ships comes from, and what it takes and gives."""

    teacher: tuple[str, ...]
    """The teacher's source, or its members', without folders of a machine."""
    student: str | None
    """The student's source; None where the teacher itself was compressed."""
    base_models: tuple[str, ...]
    """Ids on the Hugging Face hub of the networks that it comes from, the student's first."""
    dataset: str
    """The data set's name."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    """The first one holds the logits."""
    sample_shape: tuple[int, ...]
    """Of one raw sample, before preprocessing, where there is one input; empty for a text."""
