"""Bringing an exported graph into its lasting form: names, shapes, metadata, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import helper

from edgedistill.errors import Fault, InputError, PromiseError
from edgedistill.models.onnx_file import graphs, stochastic_node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import onnx

    from edgedistill.models.signature import Signature

OUTPUT = "logits"
BATCH = "batch"
MIN_OPSET = 18
"""The oldest operator set torch's exporter writes."""
MAX_TORCH_OPSET = 23
"""The newest."""
_WRITTEN_IR_VERSION = 10
"""What torch's exporter writes where the opset asks for no newer one."""


def usable_opset(wanted: int, *, max_opset: int, max_ir_version: int) -> int:
    """The newest operator set that is wanted and that the runtime accepts.

    Raises:
        InputError: If the runtime accepts none that can be written.
    """
    for opset in range(min(wanted, max_opset), MIN_OPSET - 1, -1):
        if _ir_version_for(opset) <= max_ir_version:
            return opset
    raise InputError(
        Fault(
            field="stages.export.opset",
            given=str(wanted),
            problem=f"the target's runtime accepts opset {max_opset} and IR version "
            f"{max_ir_version} at most, and the oldest opset that can be written is {MIN_OPSET}",
            remedy="Choose a newer runtime for this target",
        )
    )


def file_limits(wanted: int, *, max_opset: int, max_ir_version: int) -> tuple[int, int]:
    """Opset and highest IR version of a file for a runtime: equal limits give equal bytes.

    A runtime that accepts more than the file needs changes nothing about it, so such runtimes
    share one file.

    Raises:
        InputError: If the runtime accepts no opset that can be written.

    >>> file_limits(20, max_opset=23, max_ir_version=12)
    (20, 10)
    """
    opset = usable_opset(wanted, max_opset=max_opset, max_ir_version=max_ir_version)
    return opset, min(max_ir_version, max(_WRITTEN_IR_VERSION, _ir_version_for(opset)))


def _ir_version_for(opset: int) -> int:
    version: int = helper.find_min_ir_version_for([helper.make_opsetid("", opset)])
    return version


def finish(
    model: onnx.ModelProto,
    signature: Signature,
    *,
    static: bool,
    max_ir_version: int,
    metadata: Mapping[str, str],
) -> None:
    """Brings an exported model into its lasting form, in place.

    Inputs are called as the signature calls them and the output `logits`; only the batch axis
    is open, or none. What the exporter noted down for its own debugging (source paths of this
    machine among it), shapes of inner values and the producer's version are dropped, so equal
    networks give equal bytes.
    """
    batch: str | int = 1 if static else BATCH
    _rename(model.graph, signature)
    for value, shape in zip(model.graph.input, signature.inputs.values(), strict=True):
        set_shape(value, (batch, *shape))
    set_shape(model.graph.output[0], (batch, signature.classes))
    for graph in graphs(model.graph):
        _strip(graph)
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]
        _strip_nodes(function.node)
        del function.value_info[:]
    model.graph.name = "edgedistill"
    model.producer_name = "edgedistill"
    for field in ("producer_version", "domain", "doc_string"):
        model.ClearField(field)
    model.ir_version = min(model.ir_version, max_ir_version)
    del model.metadata_props[:]
    for key in sorted(metadata):
        model.metadata_props.add(key=key, value=metadata[key])


def require_inference(model: onnx.ModelProto) -> None:
    """Refuses a graph that was exported while training.

    Raises:
        PromiseError: If an operator behaves as in training, or draws random numbers.
    """
    node = stochastic_node(model.graph)
    if node is not None:
        raise PromiseError(
            stage="export",
            promised="a network in inference mode",
            found=f"operator {node.op_type} ({node.name}) as in training",
            remedy="Let forward() draw random numbers only while self.training is true",
        )


def _rename(graph: onnx.GraphProto, signature: Signature) -> None:
    """Gives inputs and output their names, everywhere they are used."""
    own = {value.name: value for value in graph.input}
    if set(own) == set(signature.inputs):
        del graph.input[:]
        graph.input.extend([own[name] for name in signature.inputs])
    wanted = [*signature.inputs, OUTPUT]
    found = [value.name for value in (*graph.input, *graph.output)]
    if len(found) != len(wanted):
        raise PromiseError(
            stage="export",
            promised=f"inputs {', '.join(signature.inputs)} and one output",
            found=f"{len(graph.input)} inputs and {len(graph.output)} outputs",
            remedy="The network must use every input and give logits only",
        )
    rename(graph, dict(zip(found, wanted, strict=True)))


def rename(graph: onnx.GraphProto, wanted: Mapping[str, str]) -> None:
    """Gives values other names everywhere they are used, in place.

    Args:
        graph: The graph.
        wanted: Old name to new name; a value that has a new name already makes way.
    """
    names = {old: new for old, new in wanted.items() if old != new}
    taken = {name for node in graph.node for name in (*node.input, *node.output)} & set(
        names.values()
    ) - set(names)
    names |= {name: f"{name}_inner" for name in taken}
    for inner in graphs(graph):
        for node in inner.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        for value in (*inner.input, *inner.output, *inner.initializer):
            value.name = names.get(value.name, value.name)


def set_shape(value: onnx.ValueInfoProto, shape: Iterable[str | int]) -> None:
    """Declares the shape of an input or output; a name is an open axis."""
    named = helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, list(shape))
    value.CopyFrom(named)


def _strip(graph: onnx.GraphProto) -> None:
    graph.doc_string = ""
    del graph.value_info[:]
    del graph.metadata_props[:]
    del graph.quantization_annotation[:]
    _strip_nodes(graph.node)
    for value in (*graph.input, *graph.output):
        value.doc_string = ""
        del value.metadata_props[:]
    for tensor in graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]


def _strip_nodes(nodes: Iterable[onnx.NodeProto]) -> None:
    for node in nodes:
        node.doc_string = ""
        del node.metadata_props[:]
