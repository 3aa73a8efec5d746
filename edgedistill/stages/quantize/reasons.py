"""Why an operator computes in float in an int8 model: what the file and the runtime tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.cost.runtime_names import name_in_file
from edgedistill.stages.quantize.placement import FLOAT_OUTPUT, HEAVY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

PRODUCT = (
    "both of its inputs are activations, as in attention: rounding both costs more than int8 saves"
)
NOT_FUSED = "its quantizers stand in the file, but the runtime did not fuse them"
NOT_ENCLOSED = "quantizers do not stand on all of its sides, so a runtime cannot compute it in int8"
NO_QUANTIZERS = "{maker} put no quantizers around it"
NO_INT8 = "{operator} has no int8 form here"
REWRITTEN = "the runtime made it of several operators, under a name of its own"
CONVOLUTION = "dynamic int8 is for matrix products"


def float_reasons(
    floating: Sequence[str],
    model: onnx.ModelProto,
    *,
    maker: str,
    seen_running: bool,
    on_purpose: Mapping[str, str],
) -> dict[str, str]:
    """Why each heavy operator that is in float is so.

    Args:
        floating: Type and name of each, as `Coverage` tells them.
        model: The int8 file.
        maker: Who made it.
        seen_running: Whether `floating` tells of the graph that a runtime runs, or of the file.
        on_purpose: Type and name of operators that were left in float, to the reason.

    Returns:
        A reason for each of them, in their order.
    """
    known = _Graph(model.graph)
    found = {}
    for title in floating:
        kind, _, name = title.partition(" ")
        node = known.node(name)
        own = "" if node is None else f"{node.op_type} {node.name}"
        if own in on_purpose:
            found[title] = f"left in float to keep the accuracy: {on_purpose[own]}"
        elif node is None:
            found[title] = REWRITTEN
        elif kind not in HEAVY and node.op_type not in HEAVY:
            found[title] = NO_INT8.format(operator=node.op_type)
        elif known.multiplies_activations(node):
            found[title] = PRODUCT
        elif not known.is_quantized(node):
            found[title] = NO_QUANTIZERS.format(maker=maker)
        else:
            found[title] = NOT_FUSED if seen_running else NOT_ENCLOSED
    return found


def dynamic_reasons(floating: Sequence[str]) -> dict[str, str]:
    """Why each heavy operator of a dynamic int8 model is in float.

    Args:
        floating: Type and name of each, as `Coverage` tells them.
    """
    products = ("MatMul", "FusedMatMul", "Gemm", "FusedGemm")
    return {title: PRODUCT if title.split()[0] in products else CONVOLUTION for title in floating}


class _Graph:
    """Looks nodes up by name, or by what they give where the runtime names them so."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes = {output: node for node in graph.node for output in node.output}
        self._nodes |= {node.name: node for node in graph.node if node.name}
        self._producers = {output: node for node in graph.node for output in node.output}
        self._constants = {tensor.name for tensor in graph.initializer}

    def node(self, name: str) -> onnx.NodeProto | None:
        """The node that the runtime calls so; None where it has a name of its own for it."""
        return self._nodes.get(name) or self._nodes.get(name_in_file(name))

    def is_quantized(self, node: onnx.NodeProto) -> bool:
        """Whether quantizers stand before it."""
        return any(self._is_dequantized(name) for name in node.input[:2])

    def multiplies_activations(self, node: onnx.NodeProto) -> bool:
        """Whether it is a product without weights that got no quantizers."""
        return node.op_type in FLOAT_OUTPUT and not any(
            name in self._constants or self._is_dequantized(name) for name in node.input[:2]
        )

    def _is_dequantized(self, name: str) -> bool:
        producer = self._producers.get(name)
        return producer is not None and producer.op_type == "DequantizeLinear"
