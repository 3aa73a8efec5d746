"""The ways of keeping accuracy that change a graph, by name, in the order they are applied in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.stages.quantize.bias import correct_bias
from edgedistill.stages.quantize.equalization import equalize
from edgedistill.stages.quantize.smoothing import smooth

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from edgedistill.core.attempts import Technique
    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import CalibrationSet
    from edgedistill.stages.quantize.technique import Correction, Preparation


def _learn_rounding(
    prepared: onnx.ModelProto,
    quantized: onnx.ModelProto,
    samples: CalibrationSet,
    context: StageContext,
) -> onnx.ModelProto:
    """As `rounding.learn_rounding`, which is loaded when it is called.

    It needs scipy, and a gate that measures, which loads this room, is installed without.
    """
    from edgedistill.stages.quantize.rounding import learn_rounding

    return learn_rounding(prepared, quantized, samples, context)


PREPARATIONS: Mapping[Technique, Preparation] = {"equalization": equalize, "smoothing": smooth}
"""Before calibration."""

CORRECTIONS: Mapping[Technique, Correction] = {
    "rounding": _learn_rounding,
    "bias-correction": correct_bias,
}
"""After quantizing; biases last, for they make up for what all the rest loses on average."""
