"""Where the time of one inference goes, by class of operator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgedistill.core.evidence import Quantity
from edgedistill.core.strict import Strict

OperatorClass = Literal[
    "convolution",
    "depthwise convolution",
    "matrix product",
    "attention",
    "normalization",
    "activation",
    "elementwise",
    "pooling",
    "data movement",
    "conversion",
    "other",
]
"""conversion is between number formats (quantize, dequantize, cast)."""

SlowOperator = Annotated[tuple[str, str, float], Field(strict=False)]
"""Name, type, milliseconds."""


class OperatorTime(Strict):
    """All operators of one class in one network."""

    operators: OperatorClass
    count: int = Field(ge=1)
    """How many there are in the graph that runs."""
    int8: int = Field(ge=0)
    """How many of them compute in int8."""
    time_ms: Quantity
    """Milliseconds that they take together in one inference."""


class OperatorTimes(Strict):
    """Where the time of one network goes."""

    network: str
    """Its step of the waterfall, or the candidate's name."""
    classes: tuple[OperatorTime, ...] = Field(strict=False, min_length=1)
    """The slowest class first."""
    slowest: tuple[SlowOperator, ...] = Field(default=(), strict=False)
    """The slowest single operators: name, type, milliseconds."""
