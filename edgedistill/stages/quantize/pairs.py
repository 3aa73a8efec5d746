"""Quantizer pairs that onnxruntime's quantizer puts where they cost accuracy and help nobody."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.stages.quantize.placement import ACTIVATIONS, FLOAT_OUTPUT, HEAVY

if TYPE_CHECKING:
    import onnx

    from edgedistill.stages.quantize.placement import Placement


def free_outputs(graph: onnx.GraphProto) -> None:
    """Lets a matrix product that makes a graph output give it in float.

    The runtime has the exact sums at that point; rounding logits to eight bits makes ties.
    """
    for output in graph.output:
        pair = _pair_before(output.name, _Links.of(graph))
        if pair is not None and pair.source.op_type in FLOAT_OUTPUT and pair.alone:
            pair.source.output[0] = output.name
            pair.remove_from(graph)


def free_readers(graph: onnx.GraphProto, placement: Placement) -> None:
    """Lets float operators read in float what is there in float, beside the eight bits or instead.

    A residual Add reads the normalization itself and not its rounding for the matrix product
    beside it. A Gemm that only float operators read gives float, as MatMul does.
    """
    links = _Links.of(graph)
    for dequantize in [node for node in graph.node if node.op_type == "DequantizeLinear"]:
        quantize = links.producers.get(dequantize.input[0])
        if quantize is None or quantize.op_type != "QuantizeLinear":
            continue
        readers = links.consumers[dequantize.output[0]]
        free = [node for node in readers if not _in_int8(node, placement)]
        source = links.producers.get(quantize.input[0])
        held = source is not None and _in_int8(source, placement)
        if source is not None and source.op_type in FLOAT_OUTPUT:
            held = source.op_type not in placement.float_outputs and len(free) < len(readers)
        if held:
            continue
        for node in free:
            for place, name in enumerate(node.input):
                if name == dequantize.output[0]:
                    node.input[place] = quantize.input[0]
    _drop_unread(graph)


def join_activations(graph: onnx.GraphProto) -> None:
    """Lets a heavy operator reach its Relu or Clip in float, so that the runtime fuses both.

    With an asymmetric scheme the quantizer itself lets the activation vanish into the range;
    with a symmetric one it would round the sums, negative half included, before the activation.
    """
    for node in list(graph.node):
        if node.op_type not in ACTIVATIONS:
            continue
        links = _Links.of(graph)
        pair = _pair_before(node.input[0], links)
        quantized_next = all(
            user.op_type == "QuantizeLinear" for user in links.consumers[node.output[0]]
        )
        if (
            pair is not None
            and pair.source.op_type in HEAVY
            and pair.alone
            and len(links.consumers[node.input[0]]) == 1
            and links.consumers[node.output[0]]
            and quantized_next
        ):
            node.input[0] = pair.source.output[0]
            pair.remove_from(graph)


def drop_unused(graph: onnx.GraphProto) -> None:
    """Removes initializers that no node reads and no output shows."""
    used = {name for node in graph.node for name in node.input}
    used |= {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _in_int8(node: onnx.NodeProto, placement: Placement) -> bool:
    """Whether a node is to run in int8; a quantizer's own nodes read what is to be rounded."""
    if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        return True
    return node.op_type in placement.operators and node.name not in placement.excluded


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Removes quantizers whose output nobody reads any more."""
    for operator in ("DequantizeLinear", "QuantizeLinear"):
        read = {name for node in graph.node for name in node.input}
        read |= {output.name for output in graph.output}
        for node in list(graph.node):
            if node.op_type == operator and node.output[0] not in read:
                graph.node.remove(node)


@dataclass(frozen=True)
class _Links:
    """Who makes and who reads each tensor."""

    producers: dict[str, onnx.NodeProto]
    consumers: dict[str, list[onnx.NodeProto]]

    @classmethod
    def of(cls, graph: onnx.GraphProto) -> _Links:
        consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                consumers[name].append(node)
        return cls({name: node for node in graph.node for name in node.output}, consumers)


@dataclass(frozen=True)
class _Pair:
    """QuantizeLinear and DequantizeLinear in a row.

    Attributes:
        source: The node whose output is rounded.
        quantize: The first of the pair.
        dequantize: The second.
        alone: Whether nobody else reads the source's output or the eight bits.
    """

    source: onnx.NodeProto
    quantize: onnx.NodeProto
    dequantize: onnx.NodeProto
    alone: bool

    def remove_from(self, graph: onnx.GraphProto) -> None:
        graph.node.remove(self.dequantize)
        graph.node.remove(self.quantize)


def _pair_before(tensor: str, links: _Links) -> _Pair | None:
    dequantize = links.producers.get(tensor)
    if dequantize is None or dequantize.op_type != "DequantizeLinear":
        return None
    quantize = links.producers.get(dequantize.input[0])
    source = links.producers.get(quantize.input[0]) if quantize is not None else None
    if quantize is None or source is None:
        return None
    readers = len(links.consumers[source.output[0]]) + len(links.consumers[quantize.output[0]])
    return _Pair(source, quantize, dequantize, alone=readers == 2)
