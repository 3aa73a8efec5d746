"""The stage: a float ONNX file and calibration samples in, an int8 ONNX file out, with proof."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from edgedistill.core.report import Int8Check
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import plain
from edgedistill.cost import load_model
from edgedistill.stages.quantize.calibration import calibrate, open_calibration
from edgedistill.stages.quantize.check import (
    Coverage,
    coverage_in_file,
    coverage_in_runtime,
)
from edgedistill.stages.quantize.clips import Levels
from edgedistill.stages.quantize.placement import place
from edgedistill.stages.quantize.promises import (
    promise_limits,
    promise_output,
    promise_share,
    promise_size,
)
from edgedistill.stages.quantize.ranges import Settings
from edgedistill.stages.quantize.requirements import require_quantizable
from edgedistill.stages.quantize.session import open_session
from edgedistill.stages.quantize.transform import prepare, quantize, tidy

if TYPE_CHECKING:
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.recipe import Quantize
    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import Calibrating

MODEL = "model.onnx"


@dataclass(frozen=True)
class Quantization:
    """Quantizes a float ONNX file to int8 QDQ in a target's scheme.

    It writes `model.onnx`, with the float file's inputs, outputs and metadata.

    Attributes:
        model: The float ONNX file.
        dataset: Whose calibration samples show the ranges of the activations.
        config: How to calibrate, and how much must run in int8.
        scheme: How int8 stands for real numbers on the target's runtime.
        runs_here: Whether the target's runtime is this machine's own, so that what it really
            runs can be seen; else the placement of quantizers is checked in the file.
    """

    model: Path
    dataset: Calibrating
    config: Quantize
    scheme: QuantizationScheme
    runs_here: bool

    def run(self, context: StageContext) -> StageResult:
        """Calibrates, quantizes, and proves that the heavy operators run in int8.

        Returns:
            Facts: `check` (an `Int8Check`), `calibration`, `size_bytes` of both files and whether
            the new one is `smaller`.

        Raises:
            InputError: If model, scheme or calibration samples make it impossible.
            PromiseError: If too little runs in int8, the output is not finite or of another
                shape, or the file asks more of a runtime than the float file did.
        """
        source = load_model(self.model)
        require_quantizable(source, self.scheme, self.model)
        session = open_session(self.model, context.threads)
        samples = open_calibration(self.dataset.calibration, session)
        with tempfile.TemporaryDirectory(dir=context.folder, prefix=".work-") as work:
            prepared = prepare(source, Path(work))
            placement = place(onnx.load_model(prepared).graph)
            ranges = calibrate(
                prepared,
                samples,
                placement.operators,
                context,
                method=self.config.calibration,
                settings=Settings(levels=Levels.of(self.scheme)),
            )
            result = tidy(quantize(prepared, ranges, placement, self.scheme), source)
            written = context.folder / MODEL
            onnx.save_model(result, written)
            coverage = (
                coverage_in_runtime(written, Path(work), context.threads)
                if self.runs_here
                else coverage_in_file(result)
            )
        promise_limits(source, result)
        promise_share(coverage, self.config.min_int8_share, self.scheme, here=self.runs_here)
        promise_output(self.model, written, samples, context.threads)
        sizes = {"fp32": self.model.stat().st_size, "int8": written.stat().st_size}
        promise_size(sizes, self.scheme)
        return StageResult(
            facts={
                "check": plain(self._checked(coverage)),
                "calibration": {
                    "method": self.config.calibration,
                    "samples": len(samples),
                    "tensors": len(ranges.keys()),
                },
                "size_bytes": sizes,
                "smaller": sizes["int8"] < sizes["fp32"],
            }
        )

    def _checked(self, coverage: Coverage) -> Int8Check:
        return Int8Check(
            scheme=self.scheme.label,
            int8_operators=len(coverage.int8),
            float_operators=len(coverage.floating),
            float_names=coverage.floating,
            verified="in-runtime" if self.runs_here else "unverified",
        )
