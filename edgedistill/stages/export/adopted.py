"""A teacher that is an ONNX file already: its graph stays, only its doors are fitted.

What runs the file calls inputs as the data does and reads `logits`. So inputs and the first
output are renamed, a Cast stands where the graph takes another type than the data gives, and a
Log behind a Softmax. Operators and weights stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgedistill.models.onnx_graph import SMALLEST
from edgedistill.stages.export.graph import BATCH, OUTPUT, rename, set_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.models.onnx_graph import GraphModule
    from edgedistill.models.signature import Signature


def adopted(module: GraphModule, signature: Signature, metadata: Mapping[str, str]) -> bytes:
    """The module's file, fitted to what runs it; equal files give equal bytes.

    Args:
        module: The network as an ONNX file.
        signature: How the data calls its inputs.
        metadata: What the file says about itself; entries under other keys stay.
    """
    model = fitted(module, signature)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]
    for key, value in sorted({**kept, **metadata}.items()):
        model.metadata_props.add(key=key, value=value)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def fitted(module: GraphModule, signature: Signature) -> onnx.ModelProto:
    """The module's graph, called as the signature says, with logits float32 [batch, classes]."""
    model = onnx.load_model_from_string(module.content)
    graph = model.graph
    batch: str | int = 1 if module.one_sample else BATCH
    casts = {
        door.name: name
        for door, name in zip(module.doors, signature.inputs, strict=True)
        if door.dtype != signature.dtypes.get(name, "float32")
    }
    plain = graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    raw = OUTPUT if plain and not module.probabilities else f"{OUTPUT}_raw"
    names = {
        door.name: f"{name}_{door.dtype}" if door.name in casts else name
        for door, name in zip(module.doors, signature.inputs, strict=True)
    }
    rename(graph, {**names, module.answer: raw})
    inputs = {item.name: item for item in graph.input}
    for door, (name, shape) in zip(module.doors, signature.inputs.items(), strict=True):
        item = inputs[names[door.name]]
        if door.name in casts:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(signature.dtypes.get(name, "float32")))
            to = item.type.tensor_type.elem_type
            graph.node.insert(0, helper.make_node("Cast", [name], [item.name], to=to))
            item.name, item.type.tensor_type.elem_type = name, kind
        set_shape(item, (batch, *shape))
    _end_in_logits(graph, raw, probabilities=module.probabilities)
    set_shape(graph.output[0], (batch, signature.classes))
    del graph.value_info[:]
    del graph.quantization_annotation[:]
    return model


def takes_one_sample(model: onnx.ModelProto) -> bool:
    """Whether the batch axis of a file is fixed."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = (item for item in model.graph.input if item.name not in constants)
    return any(item.type.tensor_type.shape.dim[0].HasField("dim_value") for item in inputs)


def _end_in_logits(graph: onnx.GraphProto, raw: str, *, probabilities: bool) -> None:
    """Adds what leads from the graph's own first output to float32 logits."""
    if raw == OUTPUT:
        return
    last = f"{OUTPUT}_float32" if probabilities else OUTPUT
    graph.node.append(helper.make_node("Cast", [raw], [last], to=TensorProto.FLOAT))
    if probabilities:
        smallest = helper.make_tensor("", TensorProto.FLOAT, [], [SMALLEST])
        names = f"{OUTPUT}_smallest", f"{OUTPUT}_clamped"
        graph.node.extend(
            [
                helper.make_node("Constant", [], [names[0]], value=smallest),
                helper.make_node("Max", [last, names[0]], [names[1]]),
                helper.make_node("Log", [names[1]], [OUTPUT]),
            ]
        )
    graph.output[0].name = OUTPUT
    graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
