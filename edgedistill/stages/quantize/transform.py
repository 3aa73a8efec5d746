"""The float graph becomes a QDQ graph: onnxruntime's quantizer, and a tidy file after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer
from onnxruntime.quantization.shape_inference import quant_pre_process

from edgedistill.cost import opset
from edgedistill.stages.quantize.arranging import arrange
from edgedistill.stages.quantize.masks import raise_masks
from edgedistill.stages.quantize.pairs import (
    drop_unused,
    free_outputs,
    free_readers,
    join_activations,
)
from edgedistill.stages.quantize.widths import STANDARD_SINCE, wide_tensors
from edgedistill.stages.quantize.wiring import give_own_constants

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.stages.quantize.placement import Placement

TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
"""A profile's name of a type to onnxruntime's."""
_FOLDED = frozenset({"BatchNormalization", "Constant", "Dropout", "Identity"})


def prepare(model: onnx.ModelProto, folder: Path, scheme: QuantizationScheme | None = None) -> Path:
    """Writes the model as the quantizer wants it: shapes inferred, constants folded, nodes named.

    Small constants that several nodes read become one for each, so that what is corrected for one
    does not change the others.

    The runtime's own optimizer runs only where there is something to fold: it also replaces
    operators that this processor has no kernel for (HardSwish), which other targets do have.

    Args:
        model: The float model; it is not changed.
        folder: Where to write.
        scheme: Where it is given, the graph is also arranged for static int8 in it, see
            `arranging`.

    Returns:
        The file.
    """
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    # claims about insides: an exporter's may cover initializers too, on which the quantizer dies
    del bare.graph.value_info[:]
    given, prepared = folder / "float.onnx", folder / "prepared.onnx"
    onnx.save_model(bare, given)
    quant_pre_process(
        str(given),
        str(prepared),
        skip_optimization=not _has_something_to_fold(bare.graph),
        skip_symbolic_shape=True,
    )
    ready = onnx.load_model(prepared)
    _name_nodes(ready.graph)
    give_own_constants(ready.graph)
    raise_masks(ready.graph, opset(ready))
    if scheme is not None:
        arrange(ready.graph, scheme)
    onnx.save_model(ready, prepared)
    return prepared


def quantize(
    prepared: Path, ranges: Any, placement: Placement, scheme: QuantizationScheme
) -> onnx.ModelProto:
    """Puts QuantizeLinear and DequantizeLinear where the placement says, in the scheme.

    Args:
        prepared: What `prepare` wrote.
        ranges: Of every activation, from calibration.
        placement: Where quantizers go.
        scheme: How int8 stands for real numbers.
    """
    model = load_model_with_shape_infer(prepared)
    quantizer = QDQQuantizer(
        model,
        scheme.per_channel,
        scheme.reduce_range,
        TYPES[scheme.weight],
        TYPES[scheme.activation],
        ranges,
        [],
        list(placement.excluded),
        list(placement.operators),
        quantizer_options(placement, scheme) | _wide_options(model, placement, scheme),
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    free_readers(quantized.graph, placement)
    if scheme.symmetric_activation:
        join_activations(quantized.graph)
    return quantized


def quantizer_options(placement: Placement, scheme: QuantizationScheme) -> dict[str, Any]:
    """The quantizer's options for a placement and a scheme."""
    return {
        **scheme_options(scheme),
        "OpTypesToExcludeOutputQuantization": list(placement.float_outputs),
    }


def scheme_options(scheme: QuantizationScheme) -> dict[str, Any]:
    """The quantizer's options for a scheme.

    Symmetric activations are TensorRT's way of int8, which wants more: weights as float behind a
    pair of their own, a pair for each consumer, and a float bias (it refuses int32 ones:
    onnxruntime #14229). optimum's `AutoQuantizationConfig.tensorrt` says the same.
    """
    options: dict[str, Any] = {
        "ActivationSymmetric": scheme.symmetric_activation,
        "WeightSymmetric": scheme.symmetric_weight,
    }
    if scheme.symmetric_activation:
        options |= {"AddQDQPairToWeight": True, "DedicatedQDQPair": True, "QuantizeBias": False}
    return options


def _wide_options(
    model: onnx.ModelProto, placement: Placement, scheme: QuantizationScheme
) -> dict[str, Any]:
    if not placement.wide:
        return {}
    return {
        "TensorQuantOverrides": wide_tensors(model.graph, placement, TYPES[scheme.activation]),
        "UseQDQContribOps": opset(model) < STANDARD_SINCE,
    }


def tidy(quantized: onnx.ModelProto, source: onnx.ModelProto) -> onnx.ModelProto:
    """Makes the quantized model a clean file that keeps the source's contract.

    Its inputs, outputs and metadata are the source's; a float output that the runtime gives
    anyway is not squeezed through eight bits; nothing unused and no trace of the machine stays.
    """
    graph = quantized.graph
    free_outputs(graph)
    drop_unused(graph)
    del graph.value_info[:]
    for node in graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for tensor in graph.initializer:
        tensor.ClearField("doc_string")
        del tensor.metadata_props[:]
    graph.name, graph.doc_string, quantized.doc_string = source.graph.name, "", ""
    for ours, theirs in ((graph.input, source.graph.input), (graph.output, source.graph.output)):
        del ours[:]
        ours.extend(theirs)
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(source.metadata_props)
    domains = {node.domain for node in graph.node} | {""}
    used = [item for item in quantized.opset_import if item.domain in domains]
    del quantized.opset_import[:]
    quantized.opset_import.extend(used)
    return quantized


def _has_something_to_fold(graph: onnx.GraphProto) -> bool:
    constants = {tensor.name for tensor in graph.initializer}
    return any(
        node.op_type in _FOLDED or (node.input and constants.issuperset(node.input))
        for node in graph.node
    )


def _name_nodes(graph: onnx.GraphProto) -> None:
    taken: set[str] = set()
    for index, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}"
        taken.add(node.name)
