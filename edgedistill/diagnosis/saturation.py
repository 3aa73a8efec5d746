"""Int8 products whose 16-bit sums of pairs can saturate on x86 processors without VNNI.

Without VNNI the kernels multiply unsigned activations by signed weights with VPMADDUBSW, which adds
two neighbouring products in 16 bits with saturation (Intel 64 and IA-32 Architectures Software
Developer's Manual, volume 2; ONNX Runtime documentation on quantization, reduce-range). An
activation is at most 255, so that a pair of neighbouring weights a, b saturates for some input
exactly if 255 (max(a, 0) + max(b, 0)) > 32767 or 255 (min(a, 0) + min(b, 0)) < -32768.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

from edgedistill.core.findings import Finding, Severity
from edgedistill.diagnosis.anatomy import option, title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.diagnosis.anatomy import Anatomy
    from edgedistill.diagnosis.patient import Patient

_VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_PLACES = {
    "QLinearConv": (2, 3),
    "QLinearMatMul": (2, 3),
    "QGemm": (2, 3),
    "ConvInteger": (2, 1),
    "MatMulInteger": (2, 1),
    "MatMulIntegerToFloat": (4, 1),
}
"""Integer operators to the places of the activation's zero point and of the weight."""
_LARGEST, _SMALLEST = 32767 / 255, -32768 / 255


def saturation(patient: Patient) -> Iterator[Finding]:
    """Operators whose weights let the sums saturate on the target's processor."""
    if not saturates(patient):
        return
    found, parts = [], []
    for node in patient.main.nodes:
        weight = _signed_weight(patient.main, node)
        if weight is None:
            continue
        fraction = saturating_fraction(weight)
        if fraction > 0:
            found.append(node)
            parts.append(f"{title(node)}: {100 * fraction:.3g} % of pairs")
    if found:
        yield Finding(
            code="saturation",
            severity=Severity.HIGH,
            problem="unsigned activations times signed 8-bit weights, and this x86 processor has "
            "no VNNI: sums of two products saturate in 16 bits, and answers are wrong",
            remedy="Quantize it again with reduce_range (7-bit weights) or unsigned weights (U8U8)",
            operators=tuple(parts),
            cost=patient.cost(found),
        )


def saturates(patient: Patient) -> bool:
    """Whether the target's processor adds pairs of int8 products in 16 bits with saturation."""
    profile = patient.profile
    if profile.machine != "x86_64" or patient.runtime.provider != "CPUExecutionProvider":
        return False
    return not any(_VNNI.intersection(cluster.isa_flags) for cluster in profile.clusters)


def saturating_fraction(weight: np.ndarray) -> float:
    """Share of neighbouring weights whose products can saturate.

    Args:
        weight: int8, [filters, inner], in the order in which products are added.

    >>> saturating_fraction(np.array([[127, 2, 64, 64]], np.int8))
    0.5
    """
    pairs = weight[:, : weight.shape[1] // 2 * 2].reshape(len(weight), -1, 2).astype(np.int64)
    if not pairs.size:
        return 0.0
    high = np.maximum(pairs, 0).sum(-1) > _LARGEST
    low = np.minimum(pairs, 0).sum(-1) < _SMALLEST
    return float((high | low).mean())


def _signed_weight(main: Anatomy, node: onnx.NodeProto) -> np.ndarray | None:
    """The int8 weight of an operator with unsigned activations, [filters, inner]; None of others.

    A depthwise convolution is none of them: its kernel adds in 32 bits.
    """
    if node.op_type in _PLACES:
        zero_place, weight_place = _PLACES[node.op_type]
        names = [*node.input, *[""] * 9]
        zero_point, weight = main.constant(names[zero_place]), main.constant(names[weight_place])
        activation = None if zero_point is None else np.asarray(_array(zero_point)).dtype
    elif node.op_type in ("Conv", "Gemm", "MatMul") and len(node.input) > 1:
        makers = [main.maker(name, "DequantizeLinear") for name in node.input[:2]]
        if makers[0] is None or makers[1] is None:
            return None
        zero = main.constant(makers[0].input[2]) if len(makers[0].input) > 2 else None
        activation = np.dtype(np.uint8) if zero is None else _array(zero).dtype
        weight = main.constant(makers[1].input[0])
    else:
        return None
    if weight is None or activation != np.uint8:
        return None
    values = _array(weight)
    if values.dtype != np.int8:
        return None
    return _rows(node, values)


def _rows(node: onnx.NodeProto, values: np.ndarray) -> np.ndarray | None:
    """The weight as [filters, inner] in the order of the kernel's sums."""
    if "Conv" in node.op_type:
        if values.ndim < 3 or values.shape[1] == 1:
            return None
        return np.moveaxis(values, 1, -1).reshape(len(values), -1)  # pixels, then channels
    if values.ndim != 2:
        return None
    return values if option(node, "transB", 0) else values.T


def _array(tensor: onnx.TensorProto) -> np.ndarray:
    return np.asarray(onnx.numpy_helper.to_array(tensor))
