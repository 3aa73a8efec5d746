"""The operators that a step costs: its kind and its sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import onnx

from edgedistill.core.operator_kind import Kind
from edgedistill.cost.operators import Operator, convolution_kind
from edgedistill.cost.step_kinds import KINDS, LIGHT_INPUTS, READ_IN_PART, SEVERAL
from edgedistill.cost.work import attribute, multiply_accumulates, recurrent_sizes
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgedistill.core.profile import Precision
    from edgedistill.cost.shapes import Shape
    from edgedistill.cost.steps import Step, Tensors

_HALVES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
_BYTES = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


def operators_of_step(step: Step, tensors: Tensors) -> tuple[Operator, ...]:
    """The operators of one step; most have one. What writes nothing is free.

    Raises:
        InputError: If a shape it needs is unknown, or nobody can count its work.
    """
    found = _operators(step, tensors)
    return tuple(one if one.output_elements else replace(one, kind=Kind.FREE) for one in found)


def _operators(step: Step, tensors: Tensors) -> tuple[Operator, ...]:
    precision = precision_of_step(step, tensors)
    if step.op in ("Conv", "ConvTranspose"):
        return (_convolution(step, tensors, precision),)
    if step.op in ("MatMul", "Gemm"):
        return (_product(step, tensors, precision),)
    if step.op in ("LSTM", "GRU", "RNN"):
        return _recurrent(step, tensors, precision)
    macs = multiply_accumulates(step.node, tensors.shapes, tensors.file)
    if step.op == "Einsum":
        kind = Kind.MATMUL if macs else Kind.MOVEMENT
        return (_plain(kind, step, tensors, precision, macs=macs),)
    if step.op == "Transpose" and _keeps_order(step, tensors):
        return (_plain(Kind.FREE, step, tensors, precision),)
    kinds = SEVERAL.get(step.op) or (KINDS.get(step.op, Kind.ELEMENTWISE),)
    return tuple(_plain(kind, step, tensors, precision, macs=macs) for kind in kinds)


def precision_of_step(step: Step, tensors: Tensors) -> Precision:
    """What a step computes in: quantization's word, else its output's type."""
    if step.precision is not None:
        return step.precision
    if step.op in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"):
        return "int8"
    element_type = tensors.shapes.element_type(step.output)
    if element_type in _HALVES:
        return "fp16"
    return "int8" if element_type in _BYTES else "fp32"


def _keeps_order(step: Step, tensors: Tensors) -> bool:
    """Whether a transposition moves axes of one element only, so that it is a view."""
    shape = tensors.shape(step.node.input[0])
    axes = attribute(step.node, "perm", range(len(shape))[::-1])
    moved = [axis for axis in axes if shape[axis] > 1]
    return moved == sorted(moved)


@dataclass(frozen=True)
class _Sizes:
    """Elements that a step reads and writes."""

    weights: int
    read: int
    written: int


def _sizes(step: Step, tensors: Tensors, inputs: Iterable[str]) -> _Sizes:
    given = [name for name in inputs if name]
    return _Sizes(
        weights=sum(tensors.elements(name) for name in given if tensors.is_constant(name)),
        read=sum(tensors.elements(name) for name in given if not tensors.is_constant(name)),
        written=sum(tensors.elements(name) for name in step.outputs if name in tensors.shapes),
    )


def _plain(
    kind: Kind, step: Step, tensors: Tensors, precision: Precision, *, macs: int = 0
) -> Operator:
    """An operator without channels; constants such as axes and bounds are no weights."""
    written = _sizes(step, tensors, ()).written
    counted = [name for name in step.inputs[: LIGHT_INPUTS.get(step.op)] if name]
    weights = _sizes(step, tensors, (one for one in counted if tensors.is_constant(one))).weights
    data = [name for name in counted if not tensors.is_constant(name)]
    if step.op in READ_IN_PART:
        weights, read = 0, written
    else:
        read = _sizes(step, tensors, data).read
    kernel = attribute(step.node, "kernel_shape", (1,))
    strides = attribute(step.node, "strides", (1,))
    return Operator(
        kind=kind,
        macs=macs,
        weight_elements=weights if weights > 1 else 0,
        input_elements=read,
        output_elements=written,
        kernel=kernel[0],
        stride=strides[0],
        precision=precision,
    )


def _convolution(step: Step, tensors: Tensors, precision: Precision) -> Operator:
    weight = tensors.shape(step.inputs[1])
    # the convolution's own picture: what a fused step reads and writes may be padded or pooled
    output = tensors.shape(step.node.output[0])
    _require_kernel(weight, output, step, tensors)
    channels = tensors.shape(step.node.input[0])[1], output[1]
    groups = _groups(weight, step, tensors)
    kernel = _two(weight[2:])
    stride = tuple(attribute(step.node, "strides", [1] * len(weight[2:])))
    if step.op == "Conv" or groups > 1:
        kind = convolution_kind(
            kernel=kernel,
            stride=max(stride),
            groups=groups,
            channels=channels,
            pixels=prod(output[2:]),
        )
    else:
        kind = Kind.CONV_OTHER
    sizes = _sizes(step, tensors, step.inputs[:2])
    return Operator(
        kind=kind,
        macs=multiply_accumulates(step.node, tensors.shapes, tensors.file),
        weight_elements=sizes.weights,
        input_elements=sizes.read,
        output_elements=sizes.written,
        kernel=kernel[0],
        stride=stride[0],
        input_channels=channels[0],
        output_channels=channels[1],
        precision=precision,
    )


def _require_kernel(weight: Shape, output: Shape, step: Step, tensors: Tensors) -> None:
    if len(weight) != len(output) or len(weight) < 3:
        raise InputError(
            Fault(
                file=tensors.file,
                field=step.node.name or step.output,
                given=f"weight {list(weight)}, output {list(output)}",
                problem="is a convolution without a kernel for each axis of its picture",
                remedy="Export the network again",
            )
        )


def _groups(weight: Shape, step: Step, tensors: Tensors) -> int:
    """Groups of a convolution, which no inference of shapes checks."""
    groups = int(attribute(step.node, "group", 1))
    if groups < 1 or weight[0] % groups:
        raise InputError(
            Fault(
                file=tensors.file,
                field=step.node.name or step.output,
                given=f"group {groups}, weight {list(weight)}",
                problem="is a convolution whose filters are not a multiple of its groups",
                remedy="Export the network again",
            )
        )
    return groups


def _two(kernel: Shape) -> tuple[int, int]:
    """Height and width of a kernel of any rank; further axes go into the height.

    >>> _two((5,)), _two((3, 3)), _two((3, 3, 3))
    ((5, 1), (3, 3), (9, 3))
    """
    if len(kernel) == 1:
        return kernel[0], 1
    return prod(kernel[:-1]), kernel[-1]


def _product(step: Step, tensors: Tensors, precision: Precision) -> Operator:
    sizes = _sizes(step, tensors, step.inputs[:2])
    macs = multiply_accumulates(step.node, tensors.shapes, tensors.file)
    output = tensors.shape(step.node.output[0])
    return Operator(
        kind=Kind.MATMUL,
        macs=macs,
        weight_elements=sizes.weights,
        input_elements=sizes.read,
        output_elements=sizes.written,
        input_channels=macs // max(prod(output), 1),
        output_channels=output[-1] if output else 1,
        precision=precision,
    )


def _recurrent(step: Step, tensors: Tensors, precision: Precision) -> tuple[Operator, ...]:
    """One product for what goes in at all times, one whose weight is read anew each time, gates."""
    sizes = recurrent_sizes(step.node, tensors.shapes, tensors.file)
    gates = sizes.directions * sizes.gates * sizes.hidden
    rows = sizes.length * sizes.batch
    given = rows * sizes.inputs
    hidden = rows * sizes.directions * sizes.hidden
    into = Operator(
        kind=Kind.MATMUL,
        macs=rows * gates * sizes.inputs,
        weight_elements=gates * sizes.inputs,
        input_elements=given,
        output_elements=rows * gates,
        input_channels=sizes.inputs,
        output_channels=sizes.gates * sizes.hidden,
        precision=precision,
    )
    again = Operator(
        kind=Kind.MATMUL,
        macs=rows * gates * sizes.hidden,
        weight_elements=sizes.length * gates * sizes.hidden,
        input_elements=hidden,
        output_elements=rows * gates,
        input_channels=sizes.hidden,
        output_channels=sizes.gates * sizes.hidden,
        precision=precision,
    )
    gate = Operator(
        kind=Kind.SIGMOID,
        macs=0,
        weight_elements=0,
        input_elements=rows * gates,
        output_elements=rows * gates,
        precision=precision,
    )
    return into, again, gate
