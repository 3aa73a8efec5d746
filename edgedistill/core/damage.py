"""What compression damaged: answer by answer, class by class, group by group. Facts only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgedistill.core.evidence import Quantity
from edgedistill.core.strict import Strict


class PartDamage(Strict):
    """One class or group of samples, before and after."""

    name: str
    samples: int = Field(ge=1)
    before: Quantity
    """Accuracy of the network compared with, a fraction."""
    after: Quantity
    """Accuracy of the network judged, a fraction."""
    drop: Quantity
    """Before minus after on the same samples; the intervals of all classes (or all groups) hold at
    once."""


class Flipped(Strict):
    """How answers changed on the same samples."""

    changed: Quantity
    """Share of samples with another answer, right or wrong."""
    lost: Quantity
    """Share that was right before and is wrong after (negative flip rate, Yan et al. 2021)."""
    gained: Quantity
    """Share that was wrong before and is right after."""


class CalibrationError(Strict):
    """How far probabilities are from the share of right answers."""

    before: Quantity
    """Expected calibration error of the network compared with (Guo et al. 2017), a fraction."""
    after: Quantity
    """Of the network judged."""


class Picture(Strict):
    """A sample that is a picture, made small."""

    kind: Literal["picture"] = "picture"
    width: int = Field(ge=1)
    """Pixels of the thumbnail."""
    height: int = Field(ge=1)
    """Pixels of the thumbnail."""
    png_base64: str
    """The thumbnail as a PNG file in base64."""


class Text(Strict):
    """A sample that is a text."""

    kind: Literal["text"] = "text"
    text: str
    """Cut to what fits a page."""
    cut: bool
    """Whether the text goes on."""


class Sound(Strict):
    """A sample that is a sound."""

    kind: Literal["sound"] = "sound"
    seconds: float = Field(gt=0)
    wav_base64: str
    """As a WAV file in base64."""


Channel = Annotated[tuple[float, ...], Field(strict=False)]


class Signal(Strict):
    """A sample that is a series of numbers, for instance of sensors, or plain features."""

    kind: Literal["signal"] = "signal"
    channels: tuple[Channel, ...] = Field(strict=False, min_length=1)
    """Values of each channel in their order, thinned out where there are many."""
    thinned: bool
    """Whether values or channels were left out."""


Content = Annotated[Picture | Text | Sound | Signal, Field(discriminator="kind")]
"""A sample as a person can look at it."""


class Example(Strict):
    """A sample that only the compressed network gets wrong."""

    sample: int = Field(ge=0)
    """Its place in the split."""
    label: str
    """The right class."""
    group: str | None = None
    """Its group, where there are groups."""
    before: str
    """The class answered before; the right one."""
    before_probability: float = Field(ge=0, le=1)
    after: str
    """The class answered after."""
    after_probability: float = Field(ge=0, le=1)
    content: Content | None
    """Absent where the sample cannot be shown."""


class Damage(Strict):
    """One network against another on the same labelled samples."""

    split: str
    """The samples' split, for instance validation."""
    samples: int = Field(ge=1)
    before: str
    """What the network compared with is called, for instance teacher."""
    after: str
    """What the network judged is called, for instance int8."""
    flipped: Flipped
    classes: tuple[PartDamage, ...] = Field(strict=False)
    """In the order of the classes; a class without samples is left out."""
    groups: tuple[PartDamage, ...] = Field(default=(), strict=False)
    """Empty where the data has no groups."""
    calibration_error: CalibrationError | None
    """Absent where answers are not probabilities of classes."""
    examples: tuple[Example, ...] = Field(default=(), strict=False)
    """Samples that were right before and are wrong after, the surest mistakes first."""
    examples_in_all: int = Field(ge=0)
    """How many such samples there are."""
