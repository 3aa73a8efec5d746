"""What a back end is asked for: one float file, quantized in one scheme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import onnx

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.quantizing import CalibrationMethodName
    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import CalibrationSet


@dataclass(frozen=True)
class Request:
    """One float file to be quantized.

    Attributes:
        prepared: What `transform.prepare` wrote: shapes inferred, constants folded, nodes named.
        samples: Calibration samples.
        scheme: How int8 stands for real numbers.
        method: How a range follows from the samples.
        folder: For files in between; it goes afterwards.
        context: Threads and progress.
    """

    prepared: Path
    samples: CalibrationSet
    scheme: QuantizationScheme
    method: CalibrationMethodName
    folder: Path
    context: StageContext


class Backend(Protocol):
    """Another maker of int8 files, behind the same door as our own."""

    def quantize(self, request: Request) -> onnx.ModelProto:
        """The QDQ graph of a float file.

        Raises:
            InputError: If the back end is not installed, or cannot do what is asked.
        """


class Reader(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Calibration samples as the libraries read them, one at a time."""

    def __init__(self, request: Request) -> None:
        self._samples: Iterator[Mapping[str, np.ndarray]] = iter(request.samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next sample, [1, ...] by input name; None after the last."""
        sample = next(self._samples, None)
        return None if sample is None else dict(sample)


_LIBRARY_METHODS: dict[CalibrationMethodName, CalibrationMethod] = {
    "min-max": CalibrationMethod.MinMax,
    "moving-average": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}


def library_method(request: Request, backend: str) -> CalibrationMethod:
    """Onnxruntime's name of the calibration method.

    Raises:
        InputError: If its calibrators have no such method.
    """
    if request.method not in _LIBRARY_METHODS:
        raise InputError(
            Fault(
                field="stages.quantize.calibration",
                given=request.method,
                problem=f"the back end {backend} has no such method",
                remedy=f"Choose one of: {', '.join(_LIBRARY_METHODS)}; or backend: edgedistill",
            )
        )
    return _LIBRARY_METHODS[request.method]
