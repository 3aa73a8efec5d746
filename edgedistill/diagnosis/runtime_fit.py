"""Whether the target's runtime takes the file at all, and what it will not like about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from edgedistill.core.findings import Finding, Severity
from edgedistill.cost.model_file import opset
from edgedistill.diagnosis.anatomy import STANDARD, titles
from edgedistill.diagnosis.judging import by_cost
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.diagnosis.patient import Patient

_KNOWN_DOMAINS = {
    *STANDARD,
    "ai.onnx.ml",
    "com.microsoft",
    "com.microsoft.nchwc",
    "com.microsoft.experimental",
    "com.ms.internal.nhwc",
}
_HALVES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
_MIN_QUANTIZABLE_OPSET = 13
_ARITHMETIC = frozenset(
    {"Add", "Conv", "Div", "Gemm", "MatMul", "Mul", "Pow", "ReduceMean", "ReduceSum", "Sqrt", "Sub"}
)
_FEW = 64
"""Elements up to which integers are arithmetic on sizes and places."""


def runtime_findings(patient: Patient) -> Iterator[Finding]:
    """All findings about file and runtime."""
    yield from _loading(patient)
    yield from _versions(patient)
    yield from _domains(patient)
    yield from _types(patient)
    yield from _axes(patient)
    yield from _sizes(patient)


def _loading(patient: Patient) -> Iterator[Finding]:
    if patient.load_problem is not None:
        yield Finding(
            code="not-loadable",
            severity=Severity.HIGH,
            problem=f"the runtime cannot load it: {patient.load_problem}",
            remedy="Export it in the opset of the profile, in operators that the runtime knows",
            verified="in-runtime",
        )


def _versions(patient: Patient) -> Iterator[Finding]:
    runtime, model = patient.runtime, patient.model
    version = opset(model)
    severity = Severity.HIGH if patient.in_runtime is None else Severity.LOW
    loaded = "" if patient.in_runtime is None else " (the one here does)"
    if version > runtime.max_opset:
        yield Finding(
            code="opset-too-new",
            severity=severity,
            problem=f"its operators are of opset {version}, and the profile promises a runtime "
            f"that knows {runtime.max_opset}{loaded}",
            remedy=f"Export it in opset {runtime.max_opset} or older",
        )
    if model.ir_version > runtime.max_ir_version:
        yield Finding(
            code="ir-version-too-new",
            severity=severity,
            problem=f"its file format is version {model.ir_version}, and the profile promises a "
            f"runtime that reads {runtime.max_ir_version}{loaded}",
            remedy=f"Set model.ir_version = {runtime.max_ir_version} and save it again, where its "
            "operators allow that",
        )
    if 0 < version < _MIN_QUANTIZABLE_OPSET and not patient.is_quantized and runtime.int8:
        yield Finding(
            code="opset-too-old",
            severity=Severity.LOW,
            problem=f"its operators are of opset {version}, too old for quantizing per channel",
            remedy=f"Export it in opset {_MIN_QUANTIZABLE_OPSET} or newer",
        )


def _domains(patient: Patient) -> Iterator[Finding]:
    nodes = [node for anatomy in patient.all_graphs for node in anatomy.nodes]
    unknown = [node for node in nodes if node.domain not in _KNOWN_DOMAINS]
    if unknown:
        yield Finding(
            code="unknown-domain",
            severity=Severity.HIGH,
            problem="operators of a domain that ONNX Runtime does not have",
            remedy="Export them as standard operators, or ship the library that holds them",
            operators=titles(unknown),
            cost=patient.cost(unknown),
        )
    own = [node for node in nodes if node.domain in _KNOWN_DOMAINS - {*STANDARD, "ai.onnx.ml"}]
    if own:
        yield Finding(
            code="runtime-operators",
            severity=Severity.NOTE,
            problem="operators of ONNX Runtime's own domains: no other runtime takes this file, "
            "and one that was optimized for a processor may be slow on another",
            remedy="Keep the file from before the runtime's optimizer beside it",
            operators=titles(own),
        )
    training = [
        node
        for node in nodes
        if any(item.name == "training_mode" and item.i for item in node.attribute)
        or (node.op_type == "Dropout" and len(node.input) > 2 and node.input[2])
    ]
    if training:
        yield Finding(
            code="training-mode",
            severity=Severity.HIGH,
            problem="behaves as in training: answers depend on chance or on the batch",
            remedy="Export it again for inference: model.eval()",
            operators=titles(training),
        )


def _types(patient: Patient) -> Iterator[Finding]:
    halves = [node for node in patient.main.nodes if _type_of(patient, node) in _HALVES]
    if halves and "fp16" not in patient.runtime.precisions:
        cost = patient.cost(halves)
        yield Finding(
            code="half-precision",
            severity=by_cost(cost, high=0.5),
            problem="computes in half precision, which this runtime does not: it converts each "
            "tensor to float and back, or refuses the file",
            remedy="Export it in float32 for this target",
            operators=titles(halves),
            cost=cost,
        )
    doubles = [
        node for node in patient.main.nodes if _type_of(patient, node) == onnx.TensorProto.DOUBLE
    ]
    if doubles:
        cost = patient.cost(doubles)
        yield Finding(
            code="double-precision",
            severity=by_cost(cost),
            problem="computes in double precision: half the speed of float, or less",
            remedy="Convert the network to float32 before it is exported",
            operators=titles(doubles),
            cost=cost,
        )
    longs = [node for node in patient.main.nodes if _computes_in_int64(patient, node)]
    if longs:
        cost = patient.cost(longs)
        yield Finding(
            code="int64-arithmetic",
            severity=by_cost(cost, medium=0.1),
            problem="computes with 64-bit integers on whole tensors, which no vector kernel takes",
            remedy="Cast to int32 or float before it; keep int64 for sizes and places",
            operators=titles(longs),
            cost=cost,
        )


def _type_of(patient: Patient, node: onnx.NodeProto) -> int:
    if patient.shapes is None or not node.output or patient.main.values(node.output[0]) is not None:
        return int(onnx.TensorProto.UNDEFINED)
    return patient.shapes.element_type(node.output[0])


def _computes_in_int64(patient: Patient, node: onnx.NodeProto) -> bool:
    if node.op_type not in _ARITHMETIC or _type_of(patient, node) != onnx.TensorProto.INT64:
        return False
    shape = patient.shape(node.output[0])
    elements = 1
    for size in shape or ():
        elements *= size
    return elements > _FEW


def _axes(patient: Patient) -> Iterator[Finding]:
    constants = patient.main.constants
    fed = [value for value in patient.model.graph.input if value.name not in constants]
    open_axes, batches = [], {}
    for value in fed:
        dims = value.type.tensor_type.shape.dim
        for place, dim in enumerate(dims):
            if not dim.HasField("dim_value"):
                open_axes.append((place, f"{value.name} axis {place} ({dim.dim_param or '?'})"))
        if len(dims) > 1:
            batches[value.name] = int(dims[0].dim_value)
    static = patient.runtime.shapes == "static"
    told = [text for place, text in open_axes if static or place > 0]
    if told:
        yield Finding(
            code="dynamic-axes",
            severity=Severity.HIGH if static else Severity.NOTE,
            problem="inputs without a fixed size"
            + (
                ", and this runtime takes fixed ones only"
                if static
                else ": the runtime plans no memory ahead, and costs cannot be estimated"
            ),
            remedy="Export it with fixed sizes, or fix them: python -m "
            "onnxruntime.tools.make_dynamic_shape_fixed",
            tensors=tuple(told),
        )
    sizes = set(batches.values())
    if len(sizes) == 1 and max(sizes) > 1:  # a state has its layers first, beside other inputs
        yield Finding(
            code="fixed-batch",
            severity=Severity.MEDIUM,
            problem="takes a fixed batch: one sample costs as much as all",
            remedy="Export it with a batch of 1 or an open batch axis",
            tensors=tuple(f"{name}: {size}" for name, size in batches.items()),
        )


def _sizes(patient: Patient) -> Iterator[Finding]:
    size_mb = bytes_to_mb(patient.size_bytes)
    memory = patient.profile.memory_mb
    if memory is not None and size_mb > memory / 2:
        yield Finding(
            code="larger-than-memory",
            severity=Severity.HIGH if size_mb > memory else Severity.MEDIUM,
            problem=f"{size_mb:.4g} MB with its weights, and the target has {memory} MB of memory "
            "for everything",
            remedy="Choose a smaller network, prune or quantize it",
        )
    budget = patient.profile.default_budget
    limits = None if budget is None else budget.limits
    if limits is not None and limits.max_size_mb is not None and size_mb > limits.max_size_mb:
        yield Finding(
            code="over-size-budget",
            severity=Severity.MEDIUM,
            problem=f"{size_mb:.4g} MB; the target's usual budget is {limits.max_size_mb:g} MB",
            remedy="Quantize or prune it, or set a budget of your own",
        )
    latency, most = patient.costs.latency_ms, limits.latency_p50_ms if limits else None
    if latency is not None and most is not None and latency.low > most:
        yield Finding(
            code="over-latency-budget",
            severity=Severity.MEDIUM,
            problem=f"estimated at {latency.low:.3g} ms at least; the target's usual budget is "
            f"{most:g} ms",
            remedy="Quantize or prune it, or set a budget of your own",
        )
    if patient.beside:
        yield Finding(
            code="external-data",
            severity=Severity.NOTE,
            problem="keeps weights in other files, which must travel with it",
            remedy="Save it as one file: onnx.save(model, path, save_as_external_data=False)",
            tensors=patient.beside,
        )
