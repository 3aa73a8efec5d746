"""The stage of dynamic int8: weights in int8 beforehand, activations at each inference.

The ranges of activations are taken from the very sample that runs, so nothing is calibrated. The
price is one pass over each activation before its product; what pays it are large products of
weights, as transformers have. onnxruntime has such kernels for matrix products; its dynamic
convolution (ConvInteger) is slower than the float one, so convolutions stay in float.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from edgedistill.core.report import Int8Check
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import plain
from edgedistill.cost import load_model
from edgedistill.cost.heavy_operators import FLOAT_OPERATORS, INT8_OPERATORS
from edgedistill.errors import PromiseError
from edgedistill.stages.quantize.calibration import open_calibration
from edgedistill.stages.quantize.check import Coverage, coverage_in_runtime
from edgedistill.stages.quantize.placement import HEAVY
from edgedistill.stages.quantize.promises import (
    STAGE,
    promise_limits,
    promise_output,
    promise_size,
)
from edgedistill.stages.quantize.reasons import dynamic_reasons
from edgedistill.stages.quantize.requirements import require_quantizable
from edgedistill.stages.quantize.session import open_session
from edgedistill.stages.quantize.transform import prepare, tidy
from edgedistill.units import format_percent

if TYPE_CHECKING:
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import Calibrating

MODEL = "model.onnx"
_WEIGHTS = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}


@dataclass(frozen=True)
class DynamicQuantization:
    """Quantizes the matrix products of a float ONNX file that have constant weights.

    It writes `model.onnx`, with the float file's inputs, outputs and metadata.

    Attributes:
        model: The float ONNX file.
        dataset: Whose calibration samples show that the file runs.
        min_share: How much of what has weights must be matrix products.
        scheme: How the weights are rounded; activations are uint8 with a range of their own at each
            inference.
        runs_here: Whether the target's runtime is this machine's own.
    """

    model: Path
    dataset: Calibrating
    min_share: float
    scheme: QuantizationScheme
    runs_here: bool

    def run(self, context: StageContext) -> StageResult:
        """Quantizes, and proves that what multiplies by weights runs in int8.

        Products of two activations, as in attention, have no weights to round and stay in float.

        Returns:
            Facts: `check` (an `Int8Check`), `size_bytes` of both files.

        Raises:
            InputError: If the model cannot be quantized.
            PromiseError: If too few of the operators with weights are matrix products, or the
                file is not what was promised.
        """
        source = load_model(self.model)
        require_quantizable(source, self.scheme, self.model)
        samples = open_calibration(
            self.dataset.calibration, open_session(self.model, context.threads)
        )
        written = context.folder / MODEL
        with tempfile.TemporaryDirectory(dir=context.folder, prefix=".work-") as work:
            prepared, raw = prepare(source, Path(work)), Path(work) / "dynamic.onnx"
            _promise_products(onnx.load_model(prepared).graph, self.min_share)
            quantize_dynamic(
                str(prepared),
                str(raw),
                op_types_to_quantize=["MatMul"],  # a Gemm becomes a MatMul and an Add before
                per_channel=self.scheme.per_channel,
                reduce_range=self.scheme.reduce_range,
                weight_type=_WEIGHTS[self.scheme.weight],
                extra_options={
                    "MatMulConstBOnly": True,
                    "WeightSymmetric": self.scheme.symmetric_weight,
                },
            )
            result = tidy(onnx.load_model(raw), source)
            onnx.save_model(result, written)
            coverage = (
                coverage_in_runtime(written, Path(work), context.threads)
                if self.runs_here
                else _coverage_in_file(result)
            )
        promise_limits(source, result)
        promise_output(self.model, written, samples, context.threads)
        sizes = {"fp32": self.model.stat().st_size, "int8": written.stat().st_size}
        promise_size(sizes, self.scheme)
        return StageResult(
            facts={"check": plain(self._checked(coverage)), "size_bytes": sizes},
        )

    def _checked(self, coverage: Coverage) -> Int8Check:
        return Int8Check(
            scheme=f"{self.scheme.label}, dynamic",
            int8_operators=len(coverage.int8),
            float_operators=len(coverage.floating),
            float_names=coverage.floating,
            float_reasons=dynamic_reasons(coverage.floating),
            verified="in-runtime" if self.runs_here else "unverified",
        )


def _promise_products(graph: onnx.GraphProto, wanted: float) -> None:
    """Enough of the operators with constant weights are matrix products.

    Raises:
        PromiseError: If not: then most of the network would stay in float.
    """
    constants = {tensor.name for tensor in graph.initializer}
    weighted = [
        node.op_type
        for node in graph.node
        if node.op_type in HEAVY and not constants.isdisjoint(node.input[:2])
    ]
    products = sum(kind in ("Gemm", "MatMul") for kind in weighted)
    share = products / len(weighted) if weighted else 0.0
    if share >= wanted and products:
        return
    raise PromiseError(
        stage=STAGE,
        promised=f"dynamic int8 in at least {format_percent(wanted)} of the operators with weights",
        found=f"{products} of {len(weighted)} are matrix products; convolutions stay in float",
        remedy="Static int8 is for this network",
    )


def _coverage_in_file(model: onnx.ModelProto) -> Coverage:
    """Heavy operators by kind, as the file has them."""
    nodes = [(node.op_type, f"{node.op_type} {node.name}") for node in model.graph.node]
    return Coverage(
        int8=tuple(title for kind, title in nodes if kind in INT8_OPERATORS),
        floating=tuple(title for kind, title in nodes if kind in FLOAT_OPERATORS),
    )
