"""What a way of keeping accuracy is: a change of the float graph, or of the quantized one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import onnx

    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import CalibrationSet


class Preparation(Protocol):
    """Changes the float graph before calibration, so that it loses less when it is rounded.

    The function of the graph stays what it was, but for rounding of floats.
    """

    def __call__(
        self, prepared: onnx.ModelProto, samples: CalibrationSet, context: StageContext
    ) -> onnx.ModelProto:
        """The changed graph; the given one is not changed.

        Args:
            prepared: What `transform.prepare` makes: shapes inferred, constants folded, nodes
                named.
            samples: Calibration samples.
            context: Threads and progress.
        """


class Correction(Protocol):
    """Changes the constants of a quantized graph, so that its outputs are nearer the float ones."""

    def __call__(
        self,
        prepared: onnx.ModelProto,
        quantized: onnx.ModelProto,
        samples: CalibrationSet,
        context: StageContext,
    ) -> onnx.ModelProto:
        """The corrected QDQ graph; the given one is not changed.

        Args:
            prepared: The float graph that was quantized.
            quantized: The QDQ graph made from it.
            samples: Calibration samples.
            context: Threads and progress.
        """
