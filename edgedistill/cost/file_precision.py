"""What numbers a file holds, which decides how a runtime is to open it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto

from edgedistill.cost.float_twin import is_quantized

if TYPE_CHECKING:
    import onnx

    from edgedistill.core.profile import Precision

_QUANTIZERS = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})


def file_precision(model: onnx.ModelProto) -> Precision:
    """The narrowest numbers that a model holds: int8, else fp16, else fp32.

    One quantized operator makes it int8, as it makes a runtime need what int8 needs. What the
    greater part of its work computes in is `precision_of`.
    """
    if any(node.op_type in _QUANTIZERS or is_quantized(node.op_type) for node in model.graph.node):
        return "int8"
    if any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer):
        return "fp16"
    return "fp32"
