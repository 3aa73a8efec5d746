"""An ONNX file as the operators that the latency model takes.

The graph is brought to what the runtime executes: what follows from weights and shapes alone is
left out, then come its fusions (those that every processor gets), then each step that is left is
one operator. Published lists describe networks in the same way, so that a shape fitted to them
holds for a file. As they do, a convolution's or product's bias is not counted among its weights,
and a sum with a convolution's result is an operator of its own.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from edgedistill.core.operator_kind import Kind
from edgedistill.cost.float_twin import float_twin, is_quantized
from edgedistill.cost.fused_activations import fuse_patterns
from edgedistill.cost.fused_quantization import fuse_quantization
from edgedistill.cost.fusions import fold_constants, fuse_activations, fusing_of
from edgedistill.cost.model_file import load_model
from edgedistill.cost.operators import Operator
from edgedistill.cost.shapes import infer_shapes
from edgedistill.cost.step_costs import operators_of_step
from edgedistill.cost.step_kinds import KINDS
from edgedistill.cost.steps import (
    Flow,
    Step,
    Tensors,
    constants_of,
    needed_nodes,
    refuse_control_flow,
)
from edgedistill.cost.work import multiplies, multiply_accumulates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import onnx

    from edgedistill.core.profile import Precision
    from edgedistill.cost.shapes import Shape


def operators_of(
    model: Path,
    *,
    input_shapes: Mapping[str, Shape] | None = None,
    runtime: str = "onnxruntime-cpu",
) -> tuple[Operator, ...]:
    """The operators of an ONNX file for one sample, in the order of execution.

    Args:
        model: The file. Nothing beside it is read.
        input_shapes: By input name, without the batch axis, for inputs whose axes the file
            leaves open.
        runtime: Whose fusions are applied: a key of `edgedistill.cost.fusions.RUNTIMES`.

    Returns:
        Operators with their precision: an int8 graph may hold float ones.

    Raises:
        InputError: If it is not a sound ONNX file, a shape is open, the work of an operator cannot
            be counted, or the runtime is unknown.
    """
    flow = fused_flow(load_model(model), model, input_shapes, runtime=runtime)
    return tuple(operator for _, operators in operators_by_step(flow) for operator in operators)


def fused_flow(
    model: onnx.ModelProto,
    file: Path,
    input_shapes: Mapping[str, Shape] | None = None,
    *,
    runtime: str = "onnxruntime-cpu",
) -> Flow:
    """The kernel calls of a model, after the fusions that a runtime does on every processor.

    Args:
        model: The model.
        file: Where it came from, for errors.
        input_shapes: As in `operators_of`.
        runtime: As in `operators_of`.

    Raises:
        InputError: As `operators_of`.
    """
    fusing = fusing_of(runtime)
    flow = _flow(model, file, input_shapes)
    fuse_quantization(flow)
    fold_constants(flow)
    fuse_patterns(flow)
    fuse_activations(flow, fusing)
    return flow


def precision_of(operators: Iterable[Operator]) -> Precision:
    """What a network computes in: the precision of most of its multiply-accumulates.

    A network without any goes by its elements; operators that do not say count as fp32.
    """
    macs: Counter[Precision] = Counter()
    elements: Counter[Precision] = Counter()
    for operator in operators:
        macs[operator.precision or "fp32"] += operator.macs
        elements[operator.precision or "fp32"] += operator.elements
    decisive = macs if macs.total() else elements
    return decisive.most_common(1)[0][0] if decisive else "fp32"


def _flow(model: onnx.ModelProto, file: Path, input_shapes: Mapping[str, Shape] | None) -> Flow:
    quantized = {place for place, node in enumerate(model.graph.node) if is_quantized(node.op_type)}
    twin = float_twin(model)
    for node in twin.graph.node:
        refuse_control_flow(node, file)
    shapes = infer_shapes(twin, file, input_shapes)
    tensors = Tensors(shapes, constants_of(twin.graph), file)
    steps = []
    for place, node in needed_nodes(twin.graph):
        if all(tensors.is_constant(name) for name in node.output if name):
            continue
        if node.domain not in ("", "ai.onnx"):
            multiply_accumulates(node, shapes, file)  # names the operator that nobody knows
        steps.append(
            Step(
                op=node.op_type,
                inputs=tuple(node.input),
                outputs=tuple(node.output),
                node=node,
                place=place,
                precision="int8" if place in quantized else None,
            )
        )
    return Flow(steps, (value.name for value in twin.graph.output), tensors)


def operators_by_step(flow: Flow) -> Iterator[tuple[Step, tuple[Operator, ...]]]:
    """Each kernel call with the operators that it costs, in the order of execution.

    Raises:
        InputError: If a shape is unknown, or nobody can count its work.
    """
    open_ended: set[str] = set()  # tensors whose size depends on the picture
    for step in flow:
        post = KINDS.get(step.op) is Kind.POSTPROCESSING
        unknown = any(name and name not in flow.tensors.shapes for name in step.outputs)
        light = post or (open_ended.intersection(step.inputs) and not multiplies(step.op))
        if unknown and light:
            open_ended.update(step.outputs)
            unsized = Operator(
                kind=Kind.POSTPROCESSING,
                macs=0,
                weight_elements=0,
                input_elements=0,
                output_elements=0,
            )
            yield step, (unsized,)
        else:
            yield step, operators_of_step(step, flow.tensors) * _repetitions(flow, step)


def _repetitions(flow: Flow, step: Step) -> int:
    """How often a step runs: the runtime dequantizes anew for each reader."""
    readers = len(flow.readers(step.output)) + flow.is_output(step.output)
    return max(readers, 1) if step.op == "DequantizeLinear" else 1
