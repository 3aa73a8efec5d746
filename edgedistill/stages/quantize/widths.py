"""Where activations take sixteen bits instead of eight, for runtimes that compute in both.

An operator with wide activations has all of them in sixteen bits: what comes to it in eight is
converted before it, what it gives is converted for those that take eight. Between two wide
operators a tensor keeps its sixteen bits, which is what a tensor needs that eight cannot hold.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from onnxruntime.quantization import QuantType

if TYPE_CHECKING:
    import onnx

    from edgedistill.stages.quantize.placement import Placement

_WIDE = QuantType.QUInt16
STANDARD_SINCE = 21
"""Before this opset sixteen bits are an operator of onnxruntime's own domain."""


def wide_tensors(
    graph: onnx.GraphProto, placement: Placement, narrow: QuantType
) -> dict[str, list[dict[str, Any]]]:
    """The quantizer's option `TensorQuantOverrides` for the operators with wide activations.

    Args:
        graph: The float graph.
        placement: Which operators are quantized, and which of them are wide.
        narrow: The type of all other activations.
    """
    constants = {tensor.name for tensor in graph.initializer}
    readers: dict[str, set[str]] = defaultdict(set)
    makers: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        makers.update(dict.fromkeys(node.output, node))
        if placement.quantizes(node):
            for name in node.input:
                if name and name not in constants:
                    readers[name].add(node.name)
    overrides: dict[str, list[dict[str, Any]]] = {}
    for name in dict.fromkeys([*readers, *makers]):
        wide_readers = readers[name] & placement.wide
        others = readers[name] - placement.wide
        maker = makers.get(name)
        if maker is not None and maker.name in placement.wide:
            own = _WIDE
        elif maker is not None and placement.gives_int8(maker):
            own = narrow
        else:  # it comes in float
            own = _WIDE if wide_readers else narrow
        converted = others if own is _WIDE else wide_readers
        if own is _WIDE or converted:
            overrides[name] = [{"quant_type": own}]
        if converted:
            other = narrow if own is _WIDE else _WIDE
            overrides[name][0]["convert"] = {"quant_type": other, "recv_nodes": converted}
    return overrides
