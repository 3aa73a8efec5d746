"""Conversions between float and int8 that bring nothing, and fusions that they prevent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.findings import Finding
from edgedistill.diagnosis.anatomy import dequantization, title, titles
from edgedistill.diagnosis.judging import by_cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    from edgedistill.diagnosis.anatomy import Anatomy
    from edgedistill.diagnosis.patient import Patient

_CLIPS = ("Relu", "Clip", "LeakyRelu")
_INT8_CAPABLE = frozenset(
    {"Add", "AveragePool", "Concat", "Conv", "ConvTranspose", "Expand", "Flatten", "Gather"}
    | {"GatherElements", "Gemm", "GlobalAveragePool", "LeakyRelu", "MatMul", "MaxPool", "Mul"}
    | {"Pad", "ReduceMax", "ReduceMin", "Relu", "Clip", "Reshape", "Resize", "Sigmoid", "Slice"}
    | {"Softmax", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where", "ArgMax"}
    | {"DepthToSpace", "SpaceToDepth", "QuantizeLinear", "InstanceNormalization"}
)
"""Operators for which some runtime uses the integers behind a DequantizeLinear."""


def stray_conversions(patient: Patient) -> Iterator[Finding]:
    """Pairs of quantizers where they cost a fusion or a rounding, and weights converted anew."""
    yield from _before_activation(patient)
    yield from _round_trips(patient)
    yield from _weights_for_float(patient)


def _before_activation(patient: Patient) -> Iterator[Finding]:
    main = patient.main
    found: list[onnx.NodeProto] = []
    for node in main.nodes:
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "Add"):
            continue
        after = _behind_pair(main, node.output[0])
        if after is not None and after.op_type in _CLIPS:
            found.append(node)
    if found:
        cost = patient.cost(found)
        yield Finding(
            code="pair-before-activation",
            severity=by_cost(cost),
            problem="quantized before its activation: the activation is no longer fused with it, "
            "and half of the levels or more stand for values that it cuts off",
            remedy="Take out the pair between the operator and its activation; quantize behind it",
            operators=titles(found),
            cost=cost,
        )


def _behind_pair(main: Anatomy, tensor: str) -> onnx.NodeProto | None:
    """The only reader behind a QuantizeLinear and DequantizeLinear."""
    quantize = main.only_reader(tensor)
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return None
    dequantize = main.only_reader(quantize.output[0])
    if dequantize is None or dequantize.op_type != "DequantizeLinear":
        return None
    return main.only_reader(dequantize.output[0])


def _round_trips(patient: Patient) -> Iterator[Finding]:
    main = patient.main
    found = [
        node
        for node in main.nodes
        if node.op_type == "QuantizeLinear" and node.output and _stays(patient, node)
    ]
    if found:
        nodes = [*found, *(one for node in found for one in main.readers(node.output[0]))]
        cost = patient.cost(nodes)
        yield Finding(
            code="round-trip",
            severity=by_cost(cost),
            problem="quantized and dequantized between float operators: it costs two passes over "
            "the tensor and its precision, and no operator runs in int8 for it",
            remedy="Take out the pair, or quantize what reads it as well",
            operators=titles(found),
            cost=cost,
            verified="in-file" if patient.in_runtime is None else "in-runtime",
        )


def _stays(patient: Patient, quantize: onnx.NodeProto) -> bool:
    """Whether a pair remains a pair: seen in the runtime's graph, else by the file."""
    if patient.in_runtime is not None:
        return quantize.output[0] in patient.in_runtime.pairs
    return _is_round_trip(patient.main, quantize)


def _is_round_trip(main: Anatomy, quantize: onnx.NodeProto) -> bool:
    if quantize.output[0] in main.outputs:
        return False
    dequantizers = main.readers(quantize.output[0])
    if not dequantizers or any(one.op_type != "DequantizeLinear" for one in dequantizers):
        return False
    readers = [reader for one in dequantizers for reader in main.readers(one.output[0])]
    shown = any(one.output[0] in main.outputs for one in dequantizers)
    maker = main.maker(quantize.input[0])
    fed_in_int8 = maker is not None and maker.op_type in _INT8_CAPABLE
    used = any(reader.op_type in _INT8_CAPABLE for reader in readers) or shown
    return not fed_in_int8 and not used


def _weights_for_float(patient: Patient) -> Iterator[Finding]:
    main = patient.main
    found = []
    for node in main.nodes:
        if node.op_type != "DequantizeLinear" or not node.output:
            continue
        kept = dequantization(main, node)
        held = main.constant(node.input[0])
        fed = main.readers(node.output[0])
        large = held is not None and len(held.dims) > 1
        alone = bool(fed) and not any(_uses_integers(main, one) for one in fed)
        if kept is not None and large and alone:
            found.append(node)
    if not found:
        return
    readers = [one for node in found for one in main.readers(node.output[0])]
    cost = patient.cost(readers)
    yield Finding(
        code="weight-for-float",
        severity=by_cost(cost),
        problem="stored in int8 and read by float operators only: the runtime converts the whole "
        "weight to float at every inference",
        remedy="Quantize the other input of its reader as well, or store this weight in float",
        operators=tuple(
            f"{title(node)}, read by {', '.join(titles(one))}"
            for node, one in ((node, main.readers(node.output[0])) for node in found)
        ),
        cost=cost,
    )


def _uses_integers(main: Anatomy, reader: onnx.NodeProto) -> bool:
    """Whether a reader of a dequantized weight has its other data input dequantized too."""
    if reader.op_type not in _INT8_CAPABLE:
        return False
    data = reader.input[:2]
    return all(main.maker(name, "DequantizeLinear") is not None for name in data if name)
