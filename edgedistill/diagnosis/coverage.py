"""How much of the heavy work runs in int8, what falls back to float, and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from edgedistill.core.findings import Finding, Int8Coverage, Severity
from edgedistill.cost.heavy_operators import FLOAT_OPERATORS, INT8_OPERATORS
from edgedistill.diagnosis.anatomy import CONVERSIONS, option, titles
from edgedistill.diagnosis.judging import by_cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.diagnosis.anatomy import Anatomy
    from edgedistill.diagnosis.patient import Patient

_HAS_KERNEL = frozenset({"Conv", "Gemm", "MatMul"})
"""Heavy operators that ONNX Runtime replaces by an int8 kernel between conversions
(`qdq_selector_action_transformer.cc`)."""
_MAY_ANSWER_IN_FLOAT = frozenset({"Gemm", "MatMul"})
_CLIPS = ("Relu", "Clip")
_MOVES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "MaxPool")

_OF_FILE = "Quantize it again: edgedistill quantize, which places quantizers as the runtime needs"


@dataclass(frozen=True)
class Fallback:
    """Why a heavy operator of a quantized graph computes in float, and what to do."""

    why: str
    remedy: str


def coverage(patient: Patient) -> Int8Coverage:
    """Counts heavy operators and their multiply-accumulates by kind."""
    heavy = _heavy(patient)
    int8 = [node for node, reason in heavy if reason is None]
    macs, total = patient.costs.macs, sum(patient.costs.macs.values())
    own = sum(macs.get(node.output[0], 0) for node in int8)
    return Int8Coverage(
        int8_operators=len(int8),
        float_operators=len(heavy) - len(int8),
        operators_fraction=len(int8) / len(heavy) if heavy else 0.0,
        macs_fraction=min(own / total, 1.0) if total else None,
        verified="unverified"
        if patient.in_runtime is None or any(not _in_main(patient, node) for node, _ in heavy)
        else "in-runtime",
    )


def fallbacks(patient: Patient) -> Iterator[Finding]:
    """Operators of a quantized graph that compute in float, one finding for each reason."""
    if not patient.is_quantized:
        yield from _float_model(patient)
        return
    groups: dict[Fallback, list[onnx.NodeProto]] = defaultdict(list)
    for node, reason in _heavy(patient):
        if reason is not None:
            groups[reason].append(node)
    for reason, nodes in groups.items():
        cost = patient.cost(nodes)
        yield Finding(
            code="float-fallback",
            severity=by_cost(cost, high=0.2, medium=0.02),
            problem=f"computed in float in a quantized network: {reason.why}",
            remedy=reason.remedy,
            operators=titles(nodes),
            cost=cost,
            verified="in-file" if patient.in_runtime is None else "in-runtime",
        )


def is_int8(patient: Patient, node: onnx.NodeProto) -> bool:
    """Whether a heavy operator of the main graph computes in int8."""
    return _reason(patient, patient.main, node) is None


def _in_main(patient: Patient, node: onnx.NodeProto) -> bool:
    return patient.main.maker(node.output[0]) is not None


def _float_model(patient: Patient) -> Iterator[Finding]:
    heavy = _heavy(patient)
    if patient.runtime.int8 is None or not heavy:
        return
    yield Finding(
        code="float-model",
        severity=Severity.NOTE,
        problem=f"computes in float throughout, and this runtime runs int8 "
        f"({patient.runtime.int8.label})",
        remedy="See whether int8 is faster and accurate enough: edgedistill quantize",
        operators=(),
        cost=patient.cost(node for node, _ in heavy),
    )


def _heavy(patient: Patient) -> list[tuple[onnx.NodeProto, Fallback | None]]:
    """Heavy operators that do not follow from constants, each with why it is in float."""
    found = []
    for anatomy in patient.all_graphs:
        for node in anatomy.nodes:
            known = node.op_type in FLOAT_OPERATORS or node.op_type in INT8_OPERATORS
            constant = all(anatomy.values(name) is not None for name in node.input if name)
            if known and node.output and not constant:
                found.append((node, _reason(patient, anatomy, node)))
    return found


def _reason(patient: Patient, anatomy: Anatomy, node: onnx.NodeProto) -> Fallback | None:
    if node.op_type in INT8_OPERATORS:
        return None
    reason = _reason_in_file(anatomy, node)
    seen = patient.in_runtime
    if seen is None or anatomy is not patient.main:
        return reason
    if node.output[0] in seen.int8:
        return None
    if reason is None and not seen.complete:
        return None
    return reason or _reason_of_runtime(anatomy, node)


def _reason_in_file(anatomy: Anatomy, node: onnx.NodeProto) -> Fallback | None:
    """Why the runtime's documented rules leave a float operator in float; None if they do not."""
    if node.op_type not in _HAS_KERNEL:
        return Fallback(
            f"the runtime has no int8 kernel for {node.op_type}",
            "Nothing to gain by quantizers here; use another operator if it weighs much",
        )
    for place, what in ((0, "input"), (1, "weight")):
        name = node.input[place] if place < len(node.input) else ""
        if anatomy.maker(name, "DequantizeLinear") is None:
            return _not_dequantized(anatomy, name, what)
    if node.op_type in _MAY_ANSWER_IN_FLOAT:
        return None
    return _output_reason(anatomy, node)


def _not_dequantized(anatomy: Anatomy, name: str, what: str) -> Fallback:
    between = anatomy.maker(name, *_MOVES)
    if between is not None and anatomy.maker(between.input[0], "DequantizeLinear") is not None:
        return Fallback(
            f"a {between.op_type} stands between its {what} and the DequantizeLinear, "
            "without a pair of its own behind it",
            f"Put a QuantizeLinear and DequantizeLinear of the same scale behind the "
            f"{between.op_type}",
        )
    return Fallback(f"its {what} comes in float, not from a DequantizeLinear", _OF_FILE)


def _output_reason(anatomy: Anatomy, node: onnx.NodeProto) -> Fallback | None:
    tensor = node.output[0]
    reader = anatomy.only_reader(tensor)
    if reader is not None and reader.op_type in _CLIPS:
        tensor = reader.output[0]
        reader = anatomy.only_reader(tensor)
    if reader is not None and reader.op_type == "QuantizeLinear":
        return None
    if tensor in anatomy.outputs:
        what = "it is an output of the graph"
    elif reader is None:
        what = "it has several readers or none"
    else:
        what = f"{reader.op_type} reads it"
    return Fallback(f"its output is not quantized: {what} in float", _OF_FILE)


def _reason_of_runtime(anatomy: Anatomy, node: onnx.NodeProto) -> Fallback:
    """Why the runtime left an operator in float whose quantizers stand where they should."""
    conversion = anatomy.maker(node.input[0], *CONVERSIONS)
    zero = conversion.input[2] if conversion is not None and len(conversion.input) > 2 else ""
    held = anatomy.constant(zero)
    if held is not None and held.data_type == onnx.TensorProto.INT8:
        return Fallback(
            "its activations are signed, and this processor's kernels take unsigned ones",
            "Quantize it again with unsigned activations (U8S8)",
        )
    if node.op_type == "Gemm" and (option(node, "alpha", 1.0) != 1.0 or option(node, "transA", 0)):
        return Fallback(
            "the int8 kernel takes no alpha and no transposed first input",
            "Fold alpha into the weight, and transpose before",
        )
    return Fallback(
        "the runtime left it so, though its quantizers stand where its rules want them",
        "Compare the types of its scales and zero points with the runtime's documentation",
    )
