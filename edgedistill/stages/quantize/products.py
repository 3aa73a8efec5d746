"""Matrix products with a bias in the form whose bias the runtime adds inside the int8 kernel.

Exporters write a linear layer over a sequence as MatMul and Add. In int8 the runtime runs that as
`MatMulIntegerToFloat` and an addition of its own in float; a Gemm takes the bias along. Worse,
where all sizes are fixed it puts a Reshape, a float Gemm and another Reshape in their place, behind
the quantizers, and the product is no longer one of integers (`MatMulAddFusion` of onnxruntime
1.31.1: 12 of the 25 products of a 4-layer encoder). So the Reshapes are put here, before them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from edgedistill.stages.quantize.editing import add_constant, insert_before, static_shapes
from edgedistill.stages.quantize.wiring import Wiring

if TYPE_CHECKING:
    import onnx

_MATRIX = 2


def take_biases_along(graph: onnx.GraphProto) -> None:
    """Turns MatMul and Add over a sequence into Gemm between Reshapes.

    One that follows already, as in attention before the heads part, serves as the second. Else the
    sequence must have a shape of which no more than one size, its batch, is open.
    """
    wiring, shapes = Wiring.of(graph), static_shapes(graph)
    matrices: dict[str, str] = {}
    for node in list(graph.node):
        added = wiring.only_reader(node.output[0]) if node.op_type == "MatMul" else None
        weight = wiring.constants.get(node.input[1]) if added is not None else None
        if added is None or weight is None or added.op_type != "Add" or len(weight.dims) != _MATRIX:
            continue
        bias = next((name for name in added.input if name != node.output[0]), "")
        held = wiring.constants.get(bias)
        shaped = wiring.only_reader(added.output[0])
        if shaped is not None and not (
            shaped.op_type == "Reshape" and _names_sizes(shaped, wiring)
        ):
            shaped = None
        back = _sizes(shapes.get(added.output[0], ()))
        if held is None or list(held.dims) != [weight.dims[1]] or not (shaped or back):
            continue
        given = node.input[0]
        if given not in matrices:
            matrices[given] = _as_matrix(graph, node, given, weight.dims[0])
        node.op_type = "Gemm"
        node.input[0] = matrices[given]
        node.input.append(bias)
        node.output[0] = f"{node.output[0]}_rows"  # a matrix, unlike the old one
        if shaped is not None:
            shaped.input[0] = node.output[0]
            graph.node.remove(added)
        else:
            added.op_type = "Reshape"
            shape = add_constant(graph, f"{added.output[0]}_shape", np.array(back, np.int64))
            added.input[:] = [node.output[0], shape]


def _as_matrix(graph: onnx.GraphProto, node: onnx.NodeProto, tensor: str, columns: int) -> str:
    name = f"{tensor}_matrix"
    shape = add_constant(graph, f"{name}_shape", np.array([-1, columns], np.int64))
    insert_before(graph, node, helper.make_node("Reshape", [tensor, shape], [name], name))
    return name


def _sizes(shape: tuple[int | None, ...]) -> list[int]:
    """What a Reshape to a sequence's shape takes; nothing where it cannot be told."""
    if len(shape) <= _MATRIX or shape.count(None) > 1 or 0 in shape:
        return []
    return [-1 if size is None else size for size in shape]


def _names_sizes(reshape: onnx.NodeProto, wiring: Wiring) -> bool:
    """Whether no size of a Reshape is 0, which may mean that of its input at the same place."""
    shape = reshape.input[1]
    maker = wiring.producers.get(shape)
    parts = [shape] if maker is None else list(maker.input) if maker.op_type == "Concat" else []
    held = [wiring.constants[part] for part in parts if part in wiring.constants]
    return bool(held) and all(numpy_helper.to_array(part).all() for part in held)
