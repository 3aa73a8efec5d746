"""What is wrong, or dear, in a model for a target: each finding with its cost and its remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from edgedistill.core.evidence import Quantity
from edgedistill.core.strict import Strict


class Severity(StrEnum):
    """How much a finding matters, the worst first."""

    HIGH = "high"
    """The model does not run, gives wrong answers, or loses a large part of its speed."""
    MEDIUM = "medium"
    """It costs speed, accuracy or memory that is worth a change."""
    LOW = "low"
    """It costs a little, or might."""
    NOTE = "note"
    """Worth knowing; nothing is wrong."""


class Cost(Strict):
    """What the operators of a finding cost now: the most that a remedy can win back."""

    of: Literal["latency", "macs", "elements", "weight-bytes"]
    """latency: by the estimate. Where there is none, macs: multiply-accumulates; elements: numbers
    read and written, for operators that multiply nothing; weight-bytes: bytes of the constants they
    read, where shapes cannot be told."""
    share_fraction: float = Field(ge=0, le=1)
    """Their part of the whole network."""
    latency_ms: Quantity | None = None
    """Their time; absent where there is no estimate."""


class Finding(Strict):
    """One thing about a model that its target dislikes."""

    code: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """What kind of finding this is; the same in every version."""
    severity: Severity = Field(strict=False)
    """How much it matters."""
    problem: str
    """What is wrong, and why it matters on this target."""
    remedy: str
    """What to do about it."""
    operators: tuple[str, ...] = Field(default=(), strict=False)
    """The operators it is about, each as its type and name; empty where it is about the file."""
    tensors: tuple[str, ...] = Field(default=(), strict=False)
    """The tensors it is about."""
    cost: Cost | None = None
    """What these operators cost; absent where it is not about operators."""
    verified: Literal["in-runtime", "in-file"] = "in-file"
    """in-runtime: seen in the graph that the target's runtime really runs; in-file: it follows from
    the file and the runtime's documented rules."""


class Int8Coverage(Strict):
    """How much of the heavy work runs in int8."""

    int8_operators: int = Field(ge=0)
    """Convolutions, matrix products and recurrent layers in int8."""
    float_operators: int = Field(ge=0)
    """Those left in float."""
    operators_fraction: float = Field(ge=0, le=1)
    """Share of heavy operators in int8; 0 where there is none."""
    macs_fraction: float | None = Field(default=None, ge=0, le=1)
    """Share of multiply-accumulates in int8; absent where they cannot be counted."""
    verified: Literal["in-runtime", "unverified"]
    """in-runtime: counted in the runtime's own optimized graph; unverified: by the placement of
    quantizers in the file, which is necessary and not sufficient."""


class Diagnosis(Strict):
    """What a model file is on a target, and all that was found."""

    schema_version: Literal[1] = 1
    """Version of this document's schema."""
    kind: Literal["edgedistill-doctor"] = "edgedistill-doctor"
    """What this document is."""
    model: str
    """The file."""
    sha256: str
    """Its checksum, weights beside it not among them."""
    target: str
    """The profile's name."""
    target_title: str
    """What a person calls the target."""
    runtime: str
    """The profile's name for the runtime."""
    opset: int
    """Version of the standard operators; 0 where it uses none."""
    ir_version: int
    """Version of the file format."""
    operators: int = Field(ge=0)
    """How many the file holds."""
    macs: int | None = None
    """Multiply-accumulates of one inference; absent where they cannot be counted."""
    size_mb: float = Field(ge=0)
    """The file and the weights beside it (10^6 bytes)."""
    latency_ms: Quantity | None = None
    """Estimated latency of one inference; absent where nothing is known."""
    latency_reason: str | None = None
    """Why there is no estimate; absent where there is one."""
    runtime_reason: str | None = None
    """Why the runtime's own graph was not looked at; absent where it was."""
    int8: Int8Coverage
    """How much runs in int8."""
    findings: tuple[Finding, ...] = Field(default=(), strict=False)
    """All that was found, the worst first."""
