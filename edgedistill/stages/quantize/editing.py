"""Small changes of a graph: constants, attributes, nodes put in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    import onnx


def static_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int | None, ...]]:
    """Shape of each tensor of known rank; None for an axis that is not fixed."""
    return {
        value.name: tuple(
            axis.dim_value if axis.HasField("dim_value") else None
            for axis in value.type.tensor_type.shape.dim
        )
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
    }


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    """Gives a node's attribute a value."""
    for item in node.attribute:
        if item.name == name:
            node.attribute.remove(item)
            break
    node.attribute.append(helper.make_attribute(name, value))


def add_constant(graph: onnx.GraphProto, name: str, values: np.ndarray) -> str:
    """Adds a constant and gives its name."""
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return name


def insert_before(graph: onnx.GraphProto, node: onnx.NodeProto, new: onnx.NodeProto) -> None:
    """Puts a node in front of another."""
    graph.node.insert(_place(graph, node), new)


def _place(graph: onnx.GraphProto, node: onnx.NodeProto) -> int:
    return next(index for index, other in enumerate(graph.node) if other is node)
