"""The stage of half precision: a float ONNX file in, one that computes in float16 out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import convert_float_to_float16

from edgedistill.core.stage import StageResult
from edgedistill.cost import load_model
from edgedistill.errors import Fault, InputError, PromiseError
from edgedistill.stages.quantize.calibration import open_calibration
from edgedistill.stages.quantize.placement import HEAVY
from edgedistill.stages.quantize.promises import STAGE, promise_limits, promise_output
from edgedistill.stages.quantize.session import open_session
from edgedistill.stages.quantize.transform import prepare, tidy

if TYPE_CHECKING:
    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import Calibrating

MODEL = "model.onnx"
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class HalfPrecision:
    """Converts a float ONNX file to float16 inside; its inputs and outputs stay float32.

    It writes `model.onnx`, with the float file's inputs, outputs and metadata.

    Attributes:
        model: The float ONNX file.
        dataset: Whose calibration samples show that the file runs.
    """

    model: Path
    dataset: Calibrating

    def run(self, context: StageContext) -> StageResult:
        """Converts, and proves that the heavy operators compute in half precision.

        Returns:
            Facts: `half_operators`, and `size_bytes` of both files.

        Raises:
            InputError: If a weight is beyond what half precision holds.
            PromiseError: If a heavy operator stays in float32, an output is not finite or of
                another shape, or the file asks more of a runtime than the float file did.
        """
        source = load_model(self.model)
        samples = open_calibration(
            self.dataset.calibration, open_session(self.model, context.threads)
        )
        with tempfile.TemporaryDirectory(dir=context.folder, prefix=".work-") as work:
            prepared = onnx.load_model(prepare(source, Path(work)))
        _require_in_range(prepared, self.model)
        result = tidy(_converted(prepared), source)
        written = context.folder / MODEL
        onnx.save_model(result, written)
        half = _promise_half(result.graph)
        promise_limits(source, result)
        promise_output(self.model, written, samples, context.threads)
        sizes = {"fp32": self.model.stat().st_size, "fp16": written.stat().st_size}
        return StageResult(facts={"half_operators": half, "size_bytes": sizes})


def _converted(prepared: onnx.ModelProto) -> onnx.ModelProto:
    """What onnxruntime converts, with the casts where they belong in the order of the nodes."""
    converted: onnx.ModelProto = convert_float_to_float16(prepared, keep_io_types=True)
    ordered = ONNXModel(converted)
    ordered.topological_sort()
    sorted_model: onnx.ModelProto = ordered.model
    return sorted_model


def _require_in_range(model: onnx.ModelProto, file: Path) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        largest = float(np.abs(numpy_helper.to_array(tensor)).max(initial=0.0))
        if not largest <= _LARGEST:
            raise InputError(
                Fault(
                    file=file,
                    field=tensor.name,
                    given=f"{largest:g}",
                    problem=f"is beyond {_LARGEST:g}, the largest number in half precision",
                    remedy="Ship it in fp32, or scale the layer's weights",
                )
            )


def _promise_half(graph: onnx.GraphProto) -> int:
    """Every heavy operator with weights has them in float16; how many there are.

    Raises:
        PromiseError: If one has not.
    """
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    weighted = [
        (f"{node.op_type} {node.name}", {types[name] for name in node.input if name in types})
        for node in graph.node
        if node.op_type in HEAVY
    ]
    single = [title for title, kinds in weighted if TensorProto.FLOAT in kinds]
    if single:
        raise PromiseError(
            stage=STAGE,
            promised="every heavy operator in half precision",
            found=f"{', '.join(single)} in single precision",
            remedy="Ship fp32",
        )
    return len(weighted)
