"""neural-compressor's static quantization of a torch network (PT2E), exported to ONNX after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from edgedistill.errors import Fault, InputError, MissingExtraError
from edgedistill.models.quiet import quiet
from edgedistill.models.signature import Positional
from edgedistill.stages.quantize.pairs import drop_unused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edgedistill.models.network import Network
    from edgedistill.stages.quantize.backends.request import Request

    Export = Callable[[torch.nn.Module, Path], None]
    """Writes a module that takes the network's inputs by position as an ONNX file."""


@dataclass(frozen=True)
class NeuralCompressor:
    """PT2E static quantization: the torch network is quantized, and then exported.

    It has one scheme: unsigned activations, signed weights per channel.

    Attributes:
        network: The network that the float file was exported from.
        export: Exports the quantized network, with the float file's opset and axes.
    """

    network: Network
    export: Export

    def quantize(self, request: Request) -> onnx.ModelProto:
        """The QDQ graph; weights are folded into int8.

        Raises:
            InputError: If neural-compressor is not installed, or has no such scheme or calibration
                method, or the network cannot be exported.
        """
        _require_known(request)
        names = tuple(self.network.signature.inputs)
        module = Positional(self.network.module, names).eval()
        with quiet():
            try:
                from neural_compressor.torch.export import export
                from neural_compressor.torch.quantization import StaticQuantConfig, convert, prepare
            except ImportError as error:
                raise MissingExtraError(
                    extra="neural-compressor",
                    package="neural-compressor",
                    needed_for="backend: neural-compressor",
                ) from error
            sample = tuple(self.network.signature.zeros(2).values())
            open_batch = ({0: torch.export.Dim.AUTO},) * len(sample)
            graph = prepare(
                export(module, sample, dynamic_shapes=(open_batch,)), StaticQuantConfig()
            )
            self._calibrate(graph, request)
            written = request.folder / "quantized.onnx"
            converted = Positional(convert(graph), names)
            for part in converted.modules():
                part.training = False  # an exported graph refuses eval(), the exporter looks here
            self.export(converted, written)
        model = onnx.load_model(written)
        fold_weights(model.graph)
        return model

    def _calibrate(self, graph: torch.nn.Module, request: Request) -> None:
        names = self.network.signature.inputs
        own = {name: name for name in names}
        if len(own) == 1:
            own = dict.fromkeys(names, next(iter(request.samples.names.values())))
        with request.context.progress.track("Calibrating", len(request.samples)) as advance:
            for sample in request.samples:
                with torch.no_grad():
                    graph(*(torch.from_numpy(sample[own[name]]) for name in names))
                advance()


def fold_weights(graph: onnx.GraphProto) -> None:
    """Rounds weights in the file: QuantizeLinear (and Clip) of a constant becomes the constant.

    torch exports the rounding of weights as operators, so that the file would hold floats.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    spent = []
    for node in list(graph.node):
        if node.op_type != "DequantizeLinear":
            continue
        chain = _chain(node.input[0], producers)
        if not chain or chain[-1].op_type != "QuantizeLinear":
            continue
        bounds = [name for clip in chain[:-1] for name in clip.input[1:]]
        if not constants.keys() >= {*chain[-1].input, *bounds}:
            continue
        values = _rounded(chain, constants)
        folded = f"{chain[0].output[0]}_folded"
        graph.initializer.append(numpy_helper.from_array(values, folded))
        node.input[0] = folded
        spent += chain
    read = {name for node in graph.node for name in node.input}
    for node in spent:  # the last of a chain first, so that what it read is unread after it
        if node in graph.node and not read.intersection(node.output):
            graph.node.remove(node)
            read = {name for other in graph.node for name in other.input}
    drop_unused(graph)


def _chain(tensor: str, producers: Mapping[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes that round a tensor, the last first: Clip where there is one, QuantizeLinear."""
    node = producers.get(tensor)
    if node is None or node.op_type not in {"Clip", "QuantizeLinear"}:
        return []
    return [node] if node.op_type == "QuantizeLinear" else [node, *_chain(node.input[0], producers)]


def _rounded(
    chain: list[onnx.NodeProto], constants: Mapping[str, onnx.TensorProto]
) -> np.ndarray[Any, Any]:
    """What the nodes make of a constant: round half to even, saturate (ONNX, QuantizeLinear)."""
    *clips, quantize = chain
    values, scale, zero = (numpy_helper.to_array(constants[name]) for name in quantize.input)
    axis = next((item.i for item in quantize.attribute if item.name == "axis"), 1)
    if scale.ndim:
        shape = [-1 if place == axis % values.ndim else 1 for place in range(values.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    limits = np.iinfo(zero.dtype)
    rounded = np.rint(values / scale).astype(np.int64) + zero.astype(np.int64)
    low, high = limits.min, limits.max
    for clip in clips:
        bounds = [numpy_helper.to_array(constants[name]).item() for name in clip.input[1:]]
        low, high = max(low, bounds[0]), min(high, bounds[1])
    result: np.ndarray[Any, Any] = np.clip(rounded, low, high).astype(zero.dtype)
    return result


def _require_known(request: Request) -> None:
    """Refuses a scheme or a calibration that PT2E does not have."""
    scheme, faults = request.scheme, []
    if (
        scheme.label != "U8S8"
        or not scheme.per_channel
        or scheme.symmetric_activation
        or not scheme.symmetric_weight
        or scheme.reduce_range
    ):
        faults.append(
            Fault(
                field="stages.quantize.backend",
                given="neural-compressor",
                problem=f"quantizes to per-channel U8S8 only; the target's scheme is {scheme.label}"
                f"{', reduced range' if scheme.reduce_range else ''}",
                remedy="Choose backend: edgedistill for this target",
            )
        )
    if request.method != "min-max":
        faults.append(
            Fault(
                field="stages.quantize.calibration",
                given=request.method,
                problem="neural-compressor chooses ranges by its own histograms",
                remedy="Leave calibration out, or choose backend: edgedistill",
            )
        )
    if faults:
        raise InputError(*faults)
