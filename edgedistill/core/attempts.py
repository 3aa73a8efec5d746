"""The ways that were tried to keep the accuracy of an int8 model, in their order, as facts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgedistill.core.learning import Fraction
from edgedistill.core.strict import Strict

Technique = Literal[
    "bias-correction", "calibration", "equalization", "smoothing", "rounding", "fall-back"
]
"""What keeps accuracy after training, in order of cost."""

TECHNIQUES: tuple[Technique, ...] = (
    "bias-correction",
    "calibration",
    "equalization",
    "smoothing",
    "rounding",
    "fall-back",
)
"""All of them, in order of cost."""

Way = Literal["plain", Technique, "sixteen-bit-activations", "fine-tuning"]
"""plain: int8 as the recipe's calibration gives it; fine-tuning: training that knows the rounding,
which changes the network before it is exported."""


class Attempt(Strict):
    """One way that was tried, on top of those kept before it."""

    way: Way
    detail: str = ""
    """What exactly was tried, for instance a method of calibration."""
    figure: Fraction | None
    """Accuracy or agreement, as `Attempts.figure_is` says; absent where the way changes nothing in
    this network, so that nothing was to be judged."""
    distance: float | None = Field(ge=0)
    """Root mean square of the difference from the float model's outputs, over their spread."""
    gain: float | None
    """The figure less that of what was kept before; absent for the first, and where there is no
    figure."""
    holds: bool
    """Whether every limit is kept with it."""
    kept: bool
    """Whether later ways build on it."""


class FallenBack(Strict):
    """A heavy operator that was left in float, or in sixteen bits, on purpose."""

    name: str
    """Operator type and name of the node."""
    to: Literal["float", "sixteen-bit-activations"]
    reason: str
    mac_share: Fraction
    """Its share of the heavy operators' multiply-accumulates."""


class Attempts(Strict):
    """How the accuracy of one int8 model was kept, or was not."""

    figure_is: str
    """What the figures are: `accuracy`, or `agreement with the float model`."""
    tried: tuple[Attempt, ...] = Field(strict=False, min_length=1)
    """In their order; the first is plain int8."""
    broken: str | None
    """Which limit the model breaks that came of them, in words; absent where it keeps all."""
    fallen_back: tuple[FallenBack, ...] = Field(default=(), strict=False)
    """The operators that are not in eight bits on purpose, the most worthwhile first."""
    judged: int = Field(ge=1)
    """How many model files were held against the limits."""

    @property
    def kept(self) -> tuple[Attempt, ...]:
        """What the model was made with."""
        return tuple(one for one in self.tried if one.kept)
