"""In which order ONNX Runtime executes the kernel calls of a graph."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgedistill.cost.steps import Flow, Step

SUM_IN_CONVOLUTION = "FusedConv"
"""A convolution that adds its result to a tensor, which is the first of its inputs."""


def execution_order(flow: Flow) -> tuple[Step, ...]:
    """The steps in the order of ONNX Runtime's sequential executor.

    From the last steps it walks back depth first, of several makers the one that stands last in
    the file first, and executes on the way back (`Graph::ReverseDFSFrom` as `GraphViewer` calls
    it, `onnxruntime/core/graph/graph_viewer.cc`, default execution order).
    """
    steps = list(flow)
    maker = {name: place for place, step in enumerate(steps) for name in step.outputs if name}
    makers = [sorted({maker[name] for name in step.inputs if name in maker}) for step in steps]
    inner = {place for places in makers for place in places}
    stack = [(place, False) for place in range(len(steps)) if place not in inner]
    seen: set[int] = set()
    order = []
    while stack:
        place, leaving = stack.pop()
        if leaving:
            order.append(steps[place])
        elif place not in seen:
            seen.add(place)
            stack.append((place, True))
            stack.extend((other, False) for other in makers[place] if other not in seen)
    return tuple(order)


def fuse_sums(flow: Flow) -> None:
    """Merges a sum into a convolution that makes one of its summands and nothing else.

    The latency model leaves the two apart; for the memory it matters that the convolution's own
    result is never there. Source: `onnxruntime/core/optimizer/conv_add_act_fusion.cc`.
    """
    for convolution in flow.of("Conv"):
        total = flow.follower(convolution, "Add")
        if total is None or convolution.activated or not _has_bias(convolution):
            continue
        other = flow.other(total, convolution.output)
        if not other or flow.tensors.is_constant(other) or convolution.precision is not None:
            continue
        if flow.tensors.shape(other) == flow.tensors.shape(convolution.output):
            inputs = (other, *convolution.inputs)
            merged = replace(
                convolution, op=SUM_IN_CONVOLUTION, inputs=inputs, outputs=total.outputs
            )
            flow.merge((convolution, total), merged)


def _has_bias(convolution: Step) -> bool:
    """Its own, or that of the batch norm that was folded into it; without one nothing is fused."""
    given = [name for name in convolution.inputs if name]
    return len(given) > 2 or convolution.output not in convolution.node.output
