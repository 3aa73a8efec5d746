"""Shapes that a target's kernels dislike: the work is done, and more of it than asked for."""

from __future__ import annotations

from math import ceil, prod
from typing import TYPE_CHECKING

from edgedistill.core.findings import Finding, Severity
from edgedistill.diagnosis.anatomy import STANDARD, option, titles
from edgedistill.diagnosis.coverage import is_int8
from edgedistill.diagnosis.judging import by_cost

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import onnx

    from edgedistill.diagnosis.patient import Patient

_BLOCK = 8
"""Channels that the narrowest vector kernels of MLAS take at once (float NCHWc on AVX2: 8, on
AVX-512: 16; int8: columns in 8 or 16): a rest costs a whole block."""
_WASTE = 0.25
"""Part of a block's work that may be for nothing before it is told."""
_NARROW = 12
"""Int8 convolutions narrower than this were slower than float: a residual network of 8 channels ran
at 0.73x, of 12 to 16 at about 1.0x, of 20 to 32 at 1.8x to 2.1x (x86 with VNNI, one thread)."""
_FIRST = 4
"""Input channels that MLAS's symmetric int8 kernel wants at least (`convsym.cpp`)."""
_CONVOLUTIONS = ("Conv", "QLinearConv", "ConvInteger")


def layout_findings(patient: Patient) -> Iterator[Finding]:
    """All findings about shapes and layouts."""
    if patient.runtime.provider == "CPUExecutionProvider":
        yield from _odd_channels(patient)
        yield from _narrow_int8(patient)
        yield from _first_int8(patient)
    yield from _grouped(patient)
    yield from _transposes(patient)


def _convolutions(
    patient: Patient,
) -> Iterator[tuple[onnx.NodeProto, tuple[int, ...], int]]:
    """Convolutions of the main graph, with the shape of the weight and the groups."""
    for node in patient.main.nodes:
        if node.op_type not in _CONVOLUTIONS or not node.output:
            continue
        place = {"QLinearConv": 3}.get(node.op_type, 1)
        name = node.input[place] if place < len(node.input) else ""
        conversion = patient.main.maker(name, "DequantizeLinear")
        held = patient.main.constant(name if conversion is None else conversion.input[0])
        if held is not None and len(held.dims) >= 3 and 0 not in held.dims:
            yield node, tuple(held.dims), int(option(node, "group", 1))


def _finding(
    patient: Patient, nodes: Sequence[onnx.NodeProto], code: str, problem: str, remedy: str
) -> Iterator[Finding]:
    if nodes:
        cost = patient.cost(nodes)
        severity = by_cost(cost)
        yield Finding(
            code=code,
            severity=severity,
            problem=problem,
            remedy=remedy,
            operators=titles(nodes),
            cost=cost,
        )


def _odd_channels(patient: Patient) -> Iterator[Finding]:
    found = [
        node
        for node, weight, groups in _convolutions(patient)
        if groups == 1 and weight[0] > _BLOCK // 2 and _waste(weight[0]) > _WASTE
    ]
    yield from _finding(
        patient,
        found,
        "odd-channels",
        f"the number of filters is no multiple of {_BLOCK}, so that more than a "
        "quarter of its work fills up blocks",
        f"Round the channels to a multiple of {_BLOCK}, up or down",
    )


def _waste(channels: int) -> float:
    """Work for nothing as a part of the work that is wanted.

    >>> round(_waste(9), 2), _waste(16)
    (0.78, 0.0)
    """
    return ceil(channels / _BLOCK) * _BLOCK / channels - 1.0


def _narrow_int8(patient: Patient) -> Iterator[Finding]:
    found = [
        node
        for node, weight, groups in _convolutions(patient)
        if groups == 1
        and _FIRST <= weight[1] < _NARROW
        and weight[0] < _NARROW
        and is_int8(patient, node)
    ]
    yield from _finding(
        patient,
        found,
        "narrow-int8",
        f"an int8 convolution of fewer than {_NARROW} channels, which float was faster at where it "
        "was measured",
        "Measure it with these operators left in float; widen them, or ship float",
    )


def _first_int8(patient: Patient) -> Iterator[Finding]:
    inputs = {value.name for value in patient.model.graph.input}
    found = []
    for node, weight, groups in _convolutions(patient):
        conversion = patient.main.maker(node.input[0])
        first = node.input[0] in inputs or (
            conversion is not None
            and conversion.op_type == "QuantizeLinear"
            and conversion.input[0] in inputs
        )
        if conversion is not None and conversion.op_type == "DequantizeLinear":
            maker = patient.main.maker(conversion.input[0], "QuantizeLinear")
            first = maker is not None and maker.input[0] in inputs
        if first and groups == 1 and weight[1] < _FIRST and is_int8(patient, node):
            found.append(node)
    cost = patient.cost(found)
    if found and cost is not None and cost.share_fraction >= 0.1:
        yield Finding(
            code="first-convolution-int8",
            severity=Severity.NOTE,
            problem=f"the first convolution has fewer than {_FIRST} input channels in int8, which "
            "the fastest int8 kernel does not take",
            remedy="Measure it with this convolution left in float: it is often faster and always "
            "more exact",
            operators=titles(found),
            cost=cost,
        )


def _grouped(patient: Patient) -> Iterator[Finding]:
    found = [
        node
        for node, weight, groups in _convolutions(patient)
        if groups > 1 and weight[1] > 1 and weight[0] // groups < 2 * _BLOCK
    ]
    yield from _finding(
        patient,
        found,
        "grouped-convolution",
        "a grouped convolution runs as one small product for each group, which fills no kernel",
        "Use fewer and wider groups, or depthwise and pointwise convolutions",
    )


def _transposes(patient: Patient) -> Iterator[Finding]:
    """Transpositions that move much, alone or together; those of a few elements are passed."""
    found = [
        node
        for node in patient.main.nodes
        if node.op_type == "Transpose" and node.domain in STANDARD and _moves(patient, node)
    ]
    cost = patient.cost(found)
    if not found or cost is None or cost.of != "latency" or cost.share_fraction < 0.1:
        return
    yield Finding(
        code="transposes",
        severity=by_cost(cost, medium=0.2),
        problem=f"{len(found)} transpositions move whole tensors and compute nothing",
        remedy="Export with the layout that the runtime uses (NCHW for ONNX), without transposing "
        "at the inputs, the outputs and between layers",
        operators=titles(found),
        cost=cost,
    )


def _moves(patient: Patient, node: onnx.NodeProto) -> bool:
    shape = patient.shape(node.input[0])
    if shape is None or patient.main.values(node.input[0]) is not None or not prod(shape):
        return False
    axes = list(option(node, "perm", range(len(shape))[::-1]))
    moved = [axis for axis in axes if shape[axis] > 1]
    return moved != sorted(moved)
