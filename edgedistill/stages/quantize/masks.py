"""Attention masks that hide a token without making the processor slow.

A mask adds -10,000 or the least float to the scores of tokens that are not there. The runtime's
exponential then ends in numbers below 1.2e-38, which an x86 processor computes with at a tenth of
its speed: a Softmax over [1, 4, 64, 64] with three quarters hidden takes 92 instead of 13
microseconds (AVX512, onnxruntime 1.31.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from edgedistill.stages.quantize.editing import add_constant, insert_before
from edgedistill.stages.quantize.wiring import Wiring

if TYPE_CHECKING:
    import onnx

REACH = 80.0
"""How far below the highest score of its row a score may be. What is lower has less than
e^-80 = 2e-35 of the highest one's weight, which is still a normal number and adds nothing to a
float32 sum."""

_AXES_ARE_AN_INPUT = 18
"""Operator set from which ReduceMax takes its axes as an input."""

_HIDES = -1000.0
"""No score is made as small as this but to hide it."""

_SHAPES_A_MASK = frozenset(
    {
        "Cast",
        "Div",
        "Expand",
        "Identity",
        "Mul",
        "Reshape",
        "Slice",
        "Sub",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Where",
    }
)


def raise_masks(graph: onnx.GraphProto, opset: int) -> None:
    """Lets no score of a Softmax behind a mask lie further below its row's highest than `REACH`.

    Whatever the spread of the scores, the weights stay what they are to float32's precision.

    Args:
        graph: It is changed.
        opset: Its operator set.
    """
    wiring = Wiring.of(graph)
    for node in list(graph.node):
        scores = wiring.producers.get(node.input[0]) if node.op_type == "Softmax" else None
        if scores is None or scores.op_type != "Add" or _is_checked_for_nan(node, wiring):
            continue
        if any(_hides(tensor, wiring) for tensor in scores.input):
            _hold(graph, node, opset)


def _hold(graph: onnx.GraphProto, softmax: onnx.NodeProto, opset: int) -> None:
    """Puts in front of a Softmax what keeps its scores within reach of their row's highest."""
    scores, name = softmax.input[0], softmax.output[0]
    axis = next((item.i for item in softmax.attribute if item.name == "axis"), -1)
    top, floor, held = f"{name}_highest", f"{name}_floor", f"{name}_within_reach"
    if opset >= _AXES_ARE_AN_INPUT:
        axes = add_constant(graph, f"{name}_axes", np.array([axis], np.int64))
        highest = helper.make_node("ReduceMax", [scores, axes], [top], top, keepdims=1)
    else:
        highest = helper.make_node("ReduceMax", [scores], [top], top, axes=[axis], keepdims=1)
    reach = add_constant(graph, f"{name}_reach", np.array(REACH, np.float32))
    for new in (
        highest,
        helper.make_node("Sub", [top, reach], [floor], floor),
        helper.make_node("Max", [scores, floor], [held], held),
    ):
        insert_before(graph, softmax, new)
    softmax.input[0] = held


def _is_checked_for_nan(node: onnx.NodeProto, wiring: Wiring) -> bool:
    """Whether a row with every score hidden has a meaning of its own."""
    return any(reader.op_type == "IsNaN" for reader in wiring.readers(node.output[0]))


def _hides(tensor: str, wiring: Wiring) -> bool:
    """Whether the tensor is made of a constant that hides, by operators that only shape masks."""
    if tensor in wiring.constants:
        values = numpy_helper.to_array(wiring.constants[tensor])
        return values.dtype == np.float32 and bool((values <= _HIDES).any())
    node = wiring.producers.get(tensor)
    if node is None or node.op_type not in _SHAPES_A_MASK:
        return False
    return any(_hides(name, wiring) for name in node.input if name)
