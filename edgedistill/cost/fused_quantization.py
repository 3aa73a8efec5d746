"""Steps between a DequantizeLinear and a QuantizeLinear, as the int8 steps that they stand for.

The rules are those of ONNX Runtime's `qdq_selector_action_transformer`. What has no int8 kernel
computes in float between its own conversions, which stay steps.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgedistill.cost.steps import Flow, Step

_WITH_INT8_KERNEL = frozenset(
    {"Add", "AveragePool", "Concat", "Conv", "Expand", "Flatten", "Gather", "GatherElements"}
    | {"Gemm", "GlobalAveragePool", "LeakyRelu", "MatMul", "MaxPool", "Mul", "ReduceMax"}
    | {"ReduceMin", "Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Split", "Squeeze"}
    | {"Tile", "Transpose", "Unsqueeze", "Where"}
)
_MAY_ANSWER_IN_FLOAT = frozenset({"ArgMax", "Gemm", "MatMul"})
_CLIPS = ("Relu", "Clip")


def fuse_quantization(flow: Flow) -> None:
    """Merges every pair of conversions that an int8 kernel makes needless."""
    for step in flow:
        if step in flow and step.op in _WITH_INT8_KERNEL | _MAY_ANSWER_IN_FLOAT:
            _fuse(flow, step)
    for conversion in flow.of("DequantizeLinear"):
        if not flow.readers(conversion.output) and not flow.is_output(conversion.output):
            flow.drop(conversion)
    for product in flow.of("MatMul"):
        if product.precision == "int8":
            _fuse_rescaling(flow, product)


def _fuse(flow: Flow, step: Step) -> None:
    inputs = _integers(flow, step)
    if inputs is None:
        return
    converted = _conversions_after(flow, step)
    if converted is None:
        if step.op not in _MAY_ANSWER_IN_FLOAT:
            return
        converted = ([step], step.outputs)
    steps, outputs = converted
    merged = replace(step, inputs=inputs, outputs=outputs, precision="int8")
    flow.merge(steps, merged)


def _integers(flow: Flow, step: Step) -> tuple[str, ...] | None:
    """Its inputs before they were dequantized; None if one of them never was an integer."""
    names: list[str] = []
    found = False
    for name in step.inputs:
        maker = flow.maker(name, "DequantizeLinear")
        if maker is not None:
            found = True
            names.append(maker.inputs[0])
        elif not name or flow.tensors.is_constant(name):
            names.append(name)
        else:
            return None
    return tuple(names) if found else None


def _conversions_after(flow: Flow, step: Step) -> tuple[list[Step], tuple[str, ...]] | None:
    """The step with the quantizers of its outputs, and what they write."""
    last = step
    if step.op in ("Conv", "Gemm") and (clip := flow.follower(step, *_CLIPS)) is not None:
        last = clip  # the integers' own bounds clip
    steps = [step] if last is step else [step, last]
    outputs: list[str] = []
    for name in last.outputs:
        readers = flow.readers(name)
        if flow.is_output(name) or len(readers) != 1 or readers[0].op != "QuantizeLinear":
            return None
        steps.append(readers[0])
        outputs.append(readers[0].output)
    return steps, tuple(outputs)


def _fuse_rescaling(flow: Flow, product: Step) -> None:
    """An integer product with the cast and the factor that make it a real one."""
    cast = flow.follower(product, "Cast")
    times = flow.follower(cast, "Mul") if cast is not None else None
    if cast is None or times is None:
        return
    scale = flow.other(times, cast.output)
    columns = prod(flow.tensors.shape(product.output)[-1:])
    if not scale or flow.tensors.elements(scale) not in (1, columns):
        return
    steps = [product, cast, times]
    factors = flow.maker(scale, "Mul")
    if factors is not None and flow.follower(factors) is times:
        steps.append(factors)
    plus = flow.follower(times, "Add")
    if plus is not None and flow.tensors.is_constant(flow.other(plus, times.output)):
        steps.append(plus)
    merged = replace(product, outputs=steps[-1].outputs if plus in steps else times.outputs)
    flow.merge(steps, merged)
