"""Means over a picture as the runtime's int8 kernels know them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import numpy_helper

from edgedistill.stages.quantize.editing import static_shapes
from edgedistill.stages.quantize.wiring import Wiring, attribute

if TYPE_CHECKING:
    import onnx

_PICTURE = 4
"""Axes of [batch, channels, height, width]."""


def name_global_averages(graph: onnx.GraphProto) -> None:
    """Calls a mean over height and width GlobalAveragePool, which has an int8 kernel.

    Exporters write ReduceMean, which has none: the whole picture goes back to float and to
    another layout first.
    """
    shapes, known = static_shapes(graph), Wiring.of(graph).constants
    for node in graph.node:
        if node.op_type != "ReduceMean" or len(shapes.get(node.input[0], ())) != _PICTURE:
            continue
        axes = attribute(node, "axes", [])
        if len(node.input) > 1 and node.input[1]:
            if node.input[1] not in known:
                continue
            axes = numpy_helper.to_array(known[node.input[1]]).tolist()
        over = sorted(axis % _PICTURE for axis in axes)
        if over == [2, 3] and attribute(node, "keepdims", 1):
            node.op_type = "GlobalAveragePool"
            del node.attribute[:], node.input[1:]
