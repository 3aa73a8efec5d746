"""What a model and a scheme must be before quantizing them can make sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

from edgedistill.cost import opset
from edgedistill.cost.inflation import require_modest
from edgedistill.errors import Fault, InputError
from edgedistill.stages.quantize.placement import HEAVY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme

_MIN_OPSET = 13
"""QuantizeLinear has no axis, and so no per-channel weights, before it."""


def require_quantizable(model: onnx.ModelProto, scheme: QuantizationScheme, file: Path) -> None:
    """Refuses what cannot be quantized, with every reason at once.

    Raises:
        InputError: If a runtime could not run the scheme, or the model has nothing to quantize,
            is too old, quantized already, or broken.
    """
    faults = [*_scheme_faults(scheme), *_graph_faults(model, file), *_weight_faults(model, file)]
    if faults:
        raise InputError(*faults)
    require_modest(model, file)


def _scheme_faults(scheme: QuantizationScheme) -> Iterator[Fault]:
    if scheme.activation == "int8" and scheme.weight == "uint8":
        yield Fault(
            field="int8.weight",
            given="uint8 with int8 activations",
            problem="no runtime runs this scheme",
            remedy="Set weight: int8 in the target's profile",
        )


def _graph_faults(model: onnx.ModelProto, file: Path) -> Iterator[Fault]:
    operators = {node.op_type for node in model.graph.node}
    if opset(model) < _MIN_OPSET:
        yield Fault(
            file=file,
            given=f"opset {opset(model)}",
            problem="its operators are too old for QuantizeLinear",
            remedy=f"Export it in opset {_MIN_OPSET} or newer",
        )
    if not operators & HEAVY:
        yield Fault(
            file=file,
            problem="has no convolution and no matrix product, so there is nothing to quantize",
            remedy="Ship it in fp32; in a recipe, set stages.quantize to null",
        )
    if operators & {"QuantizeLinear", "DequantizeLinear"}:
        yield Fault(
            file=file,
            problem="is quantized already",
            remedy="Give the float model it was made from",
        )


def _weight_faults(model: onnx.ModelProto, file: Path) -> Iterator[Fault]:
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        if not np.isfinite(onnx.numpy_helper.to_array(tensor)).all():
            yield Fault(
                file=file,
                field=tensor.name,
                problem="this weight holds NaN or infinity",
                remedy="Train or export the model again",
            )
