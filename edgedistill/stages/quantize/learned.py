"""What a correction learned for the constants of one quantized graph, carried into another.

The other is quantized from the same float graph with the same ranges, and differs in which
operators fell back. A weight's scale does not depend on that, so what was learned for the weight
holds. A bias counts in steps of its weight's scale times its input's, which sixteen bits change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Constant:
    """A constant as it was learned.

    Attributes:
        tensor: Its values.
        scale: What a step of it stands for; None where it is in float.
    """

    tensor: onnx.TensorProto
    scale: np.ndarray | None


def learned_constants(before: onnx.ModelProto, after: onnx.ModelProto) -> dict[str, Constant]:
    """The constants that a correction changed, by name."""
    old = {tensor.name: tensor for tensor in before.graph.initializer}
    scales = _scales(after.graph)
    return {
        tensor.name: Constant(tensor, scales.get(tensor.name))
        for tensor in after.graph.initializer
        if tensor != old.get(tensor.name)
    }


def carry(learned: Mapping[str, Constant], model: onnx.ModelProto) -> None:
    """Puts learned constants into a graph that has them; those of float operators stay."""
    scales = _scales(model.graph)
    for tensor in model.graph.initializer:
        one = learned.get(tensor.name)
        if one is None or one.tensor.data_type != tensor.data_type:
            continue
        scale = scales.get(tensor.name)
        if one.scale is None or scale is None or np.array_equal(one.scale, scale):
            tensor.CopyFrom(one.tensor)
        else:
            values = numpy_helper.to_array(one.tensor)
            changed = _in_steps(values, before=one.scale, after=scale)
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))


def _in_steps(values: np.ndarray, *, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Whole numbers that count in other steps, cut to their type."""
    bounds = np.iinfo(values.dtype)
    steps = np.rint(values.astype(np.float64) * before / after)
    cut: np.ndarray = np.clip(steps, bounds.min, bounds.max).astype(values.dtype)
    return cut


def _scales(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """The scale of each constant that is dequantized."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    return {
        node.input[0]: numpy_helper.to_array(constants[node.input[1]])
        for node in graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in constants
        and node.input[1] in constants
    }
