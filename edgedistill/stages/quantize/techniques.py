"""The ways of keeping accuracy that change a graph, by name, in the order they are applied in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.stages.quantize.bias import correct_bias
from edgedistill.stages.quantize.equalization import equalize
from edgedistill.stages.quantize.rounding import learn_rounding
from edgedistill.stages.quantize.smoothing import smooth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.attempts import Technique
    from edgedistill.stages.quantize.technique import Correction, Preparation

PREPARATIONS: Mapping[Technique, Preparation] = {"equalization": equalize, "smoothing": smooth}
"""Before calibration."""

CORRECTIONS: Mapping[Technique, Correction] = {
    "rounding": learn_rounding,
    "bias-correction": correct_bias,
}
"""After quantizing; biases last, for they make up for what all the rest loses on average."""
