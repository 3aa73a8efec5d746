"""Sizes that a graph computes while it runs: evaluated beforehand, so that shapes can be inferred.

An exporter that keeps the batch open writes shapes as arithmetic: the shape of a tensor, its first
element, a concatenation, a comparison. ONNX's own inference follows the plainest of it only. Here
every such node whose inputs are known is evaluated by ONNX's reference implementation and becomes a
constant, until nothing more is known.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from edgedistill.cost.model_file import STANDARD_DOMAINS, opset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Values = dict[str, np.ndarray]

_ARITHMETIC = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Div",
        "Equal",
        "Expand",
        "Floor",
        "Gather",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Range",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Shape",
        "Size",
        "Slice",
        "Squeeze",
        "Sub",
        "Unsqueeze",
        "Where",
    ]
)
_CONTRADICTIONS = (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError)
"""What the reference implementation raises, beside ValueError and RuntimeError, for a node whose
inputs do not go together."""
_MOST_ELEMENTS = 4096
"""Shapes are short; a longer tensor is data."""


def evaluated(
    model: onnx.ModelProto, infer: Callable[[onnx.ModelProto], onnx.ModelProto]
) -> onnx.ModelProto:
    """The model, its shapes inferred, with all arithmetic on known sizes as constants.

    Args:
        model: The model; it is changed.
        infer: Infers its shapes.

    Raises:
        ValueError: If a node's inputs do not go together; `infer` may raise as well.
    """
    while True:
        inferred = infer(model)
        if not _unknown(inferred.graph):
            return inferred
        known = _known_shapes(inferred.graph)
        values = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
        kept = []
        for node in model.graph.node:
            value = _value(node, known, values, opset(model))
            if value is None:
                kept.append(node)
            else:
                values[node.output[0]] = value
                model.graph.initializer.append(onnx.numpy_helper.from_array(value, node.output[0]))
        if len(kept) == len(model.graph.node):
            return inferred
        del model.graph.node[:]
        model.graph.node.extend(kept)


def _unknown(graph: onnx.GraphProto) -> bool:
    known = _known_shapes(graph)
    return any(name not in known for node in graph.node for name in node.output if name)


def _known_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    known = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(
            dim.HasField("dim_value") for dim in dims
        ):
            known[value.name] = tuple(dim.dim_value for dim in dims)
    return known


def _value(
    node: onnx.NodeProto, known: dict[str, tuple[int, ...]], values: Values, version: int
) -> np.ndarray | None:
    """What a node gives, where that follows from what is known and is as short as a shape."""
    if node.op_type not in _ARITHMETIC or node.domain not in STANDARD_DOMAINS:
        return None
    if node.op_type in ("Shape", "Size"):
        shape = known.get(node.input[0])
        if shape is None:
            return None
        given = {node.input[0]: np.broadcast_to(np.float32(0.0), shape)}
    elif all(name in values for name in node.input if name):
        given = {name: values[name] for name in node.input if name}
    else:
        return None
    if _elements(node, given) > _MOST_ELEMENTS:
        return None
    try:
        evaluator = ReferenceEvaluator(node, opsets={"": version})
        results: Sequence[np.ndarray] = list(evaluator.run(None, given))  # type: ignore[arg-type]
        return np.asarray(results[0])
    except _CONTRADICTIONS as error:
        raise ValueError(f"{node.op_type} '{node.name}' cannot be computed: {error}") from error


def _elements(node: onnx.NodeProto, given: Values) -> float:
    """At most how many elements a node gives, before it is evaluated."""
    if node.op_type in ("Shape", "Size"):
        return 1
    inputs = [given[name] for name in node.input if name]
    largest = max((array.size for array in inputs), default=1)
    if node.op_type in ("ConstantOfShape", "Expand"):
        shape = inputs[-1].astype(float).ravel()
        return float(largest * math.prod(np.abs(shape).tolist()))
    if node.op_type == "Range":
        start, limit, delta = (float(array.ravel()[0]) for array in inputs)
        return math.inf if delta == 0 else abs(limit - start) / abs(delta)
    return math.prod(max(array.size, 1) for array in inputs) if len(inputs) < 3 else largest * 8
