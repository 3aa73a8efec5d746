"""What an exporter left behind: weights nobody reads, norms not folded, operators without work."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from edgedistill.core.findings import Finding, Severity
from edgedistill.cost.steps import needed_nodes
from edgedistill.cost.tensors import size_bytes
from edgedistill.diagnosis.anatomy import CONVERSIONS, STANDARD, titles
from edgedistill.diagnosis.judging import by_cost
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    from edgedistill.diagnosis.anatomy import Anatomy
    from edgedistill.diagnosis.patient import Patient

_LEAST_BYTES = 1024
"""What is smaller is not worth a word."""
_NO_WORK = frozenset({"Dropout", "Identity"})
_IN_FLOAT = frozenset({"Conv", "ConvTranspose"})


def leftover_findings(patient: Patient) -> Iterator[Finding]:
    """All findings about what could have been left out."""
    yield from _unused(patient)
    yield from _unfolded(patient)
    yield from _norms(patient)
    yield from _without_work(patient)


def _read_anywhere(patient: Patient) -> set[str]:
    """Every name that a node of any graph reads, or that a graph gives."""
    return {
        name
        for anatomy in patient.all_graphs
        for names in (anatomy.outputs, *(node.input for node in anatomy.nodes))
        for name in names
    }


def _unused(patient: Patient) -> Iterator[Finding]:
    read = _read_anywhere(patient)
    unused = [one for one in patient.model.graph.initializer if one.name not in read]
    lost = sum(size_bytes(one.data_type, prod(one.dims)) for one in unused)
    if lost >= _LEAST_BYTES:
        yield Finding(
            code="unused-weights",
            severity=Severity.LOW,
            problem=f"weights that no operator reads: {bytes_to_mb(lost):.3g} MB of the file",
            remedy="Take them out, or export it again",
            tensors=tuple(one.name for one in unused),
        )
    if any(len(anatomy.nodes) for anatomy in patient.all_graphs[1:]):
        return  # what graphs inside of nodes read from outside is no input of the node
    needed = {place for place, _ in needed_nodes(patient.model.graph)}
    dead = [node for place, node in enumerate(patient.main.nodes) if place not in needed]
    if dead:
        yield Finding(
            code="dead-operators",
            severity=Severity.LOW,
            problem="operators that no output depends on",
            remedy="Export it again; the runtime leaves them out, other tools do not",
            operators=titles(dead),
        )


def _unfolded(patient: Patient) -> Iterator[Finding]:
    main = patient.main
    known = set(main.constants)
    found = []
    for node in main.nodes:
        if node.op_type in CONVERSIONS or node.op_type == "Constant" or not node.output:
            continue
        given = [name for name in node.input if name]
        if given and known.issuperset(given) and node.domain in STANDARD:
            known.update(node.output)
            shape = patient.shape(node.output[0])
            sizes = [prod(main.constants[name].dims) for name in given if name in main.constants]
            if max([prod(shape or ()), *sizes]) * 4 >= _LEAST_BYTES:
                found.append(node)
    if found:
        yield Finding(
            code="unfolded-constants",
            severity=Severity.LOW,
            problem="operators that compute with constants only: the runtime does that at every "
            "start, and a quantizer sees no weight behind them",
            remedy="Fold them when exporting: do_constant_folding=True, or onnxruntime's "
            "quant_pre_process",
            operators=titles(found),
        )


def _norms(patient: Patient) -> Iterator[Finding]:
    main = patient.main
    found = [node for node in main.nodes if node.op_type == "BatchNormalization" and node.output]
    if not found:
        return
    foldable = [node for node in found if _is_foldable(main, node)]
    if foldable:
        yield Finding(
            code="unfolded-norms",
            severity=Severity.MEDIUM if patient.is_quantized else Severity.LOW,
            problem="batch normalizations behind convolutions that are not folded into them"
            + (
                ": in a quantized graph they stay, in float, and part the convolution from its "
                "quantizer"
                if patient.is_quantized
                else ": the runtime folds them at every start, a quantizer does not"
            ),
            remedy="Export in evaluation mode with folding, or run onnxruntime's quant_pre_process "
            "before quantizing",
            operators=titles(foldable),
            cost=patient.cost(foldable),
        )
    others = [node for node in found if node not in foldable]
    if others:
        cost = patient.cost(others)
        yield Finding(
            code="unfoldable-norms",
            severity=by_cost(cost, medium=0.1),
            problem="batch normalizations that follow no convolution of their own and stay a pass "
            "over the tensor",
            remedy="Put the normalization behind a convolution or product, where it folds away",
            operators=titles(others),
            cost=cost,
        )


def _is_foldable(main: Anatomy, norm: onnx.NodeProto) -> bool:
    maker = main.maker(norm.input[0])
    if maker is not None and maker.op_type == "DequantizeLinear":
        quantize = main.maker(maker.input[0], "QuantizeLinear")
        maker = None if quantize is None else main.maker(quantize.input[0])
    if maker is None or maker.op_type not in _IN_FLOAT:
        return False
    return main.only_reader(maker.output[0]) is not None


def _without_work(patient: Patient) -> Iterator[Finding]:
    found = [
        node
        for node in patient.main.nodes
        if node.op_type in _NO_WORK and node.domain in STANDARD and node.output
    ]
    parting = [node for node in found if _parts_a_fusion(patient.main, node)]
    if parting:
        yield Finding(
            code="idle-between-quantizers",
            severity=Severity.MEDIUM,
            problem="an operator without work stands between an operator and its quantizer, and "
            "may prevent their fusion",
            remedy="Take it out: export in evaluation mode, or run onnxruntime's quant_pre_process",
            operators=titles(parting),
        )
    rest = [node for node in found if node not in parting]
    if rest:
        yield Finding(
            code="idle-operators",
            severity=Severity.NOTE,
            problem="operators without work (Identity, Dropout), which the runtime takes out",
            remedy="Export in evaluation mode",
            operators=titles(rest),
        )


def _parts_a_fusion(main: Anatomy, node: onnx.NodeProto) -> bool:
    reader = main.only_reader(node.output[0])
    maker = main.maker(node.input[0])
    after = reader is not None and reader.op_type == "QuantizeLinear"
    before = maker is not None and maker.op_type == "DequantizeLinear"
    return after or before
