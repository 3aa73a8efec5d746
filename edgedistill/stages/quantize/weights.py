"""The eight-bit weights and the biases of a QDQ graph, as numbers that can be changed.

onnxruntime's quantizer stores a weight as integers behind a DequantizeLinear and a bias as int32
integers whose scale is the input's times the weight's. In TensorRT's scheme both stay float, the
weight behind a whole pair. A matrix product has its bias in the Add after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx

from edgedistill.stages.quantize.placement import HEAVY
from edgedistill.stages.quantize.wiring import Wiring, attribute, replace

_INT32 = np.iinfo(np.int32)


class Bias(Protocol):
    """What is added to the output of a heavy operator, one number a channel."""

    def add(self, shift: np.ndarray) -> np.ndarray:
        """Adds `[channels]` as finely as the bias can hold it, and gives what was really added."""


@dataclass(frozen=True)
class FloatBias:
    """A bias that is stored in float."""

    stored: onnx.TensorProto

    def add(self, shift: np.ndarray) -> np.ndarray:
        """Adds `[channels]`; gives what was really added."""
        before = onnx.numpy_helper.to_array(self.stored)
        after = (before + shift.reshape(before.shape)).astype(before.dtype)
        replace(self.stored, after)
        added: np.ndarray = (after - before).reshape(shift.shape)
        return added


@dataclass(frozen=True)
class IntegerBias:
    """A bias that is stored in int32.

    Attributes:
        stored: The integers, `[channels]`.
        scale: What one step is worth, `[channels]` or a scalar.
    """

    stored: onnx.TensorProto
    scale: np.ndarray

    def add(self, shift: np.ndarray) -> np.ndarray:
        """Adds `[channels]`, in whole steps; gives what was really added."""
        before = onnx.numpy_helper.to_array(self.stored).astype(np.int64)
        steps = np.rint(shift / self.scale.astype(np.float64))
        after = np.clip(before + steps, _INT32.min, _INT32.max).astype(np.int64)
        replace(self.stored, after)
        added: np.ndarray = (after - before) * self.scale.astype(np.float64)
        return added


@dataclass(frozen=True)
class Weight:
    """The rounded weight of a heavy operator, which no other operator reads.

    Attributes:
        stored: Eight-bit integers, or in TensorRT's scheme floats that are rounded when it runs.
        scale: What one step is worth; of a shape that fits the weight's.
        zero_point: The integer that stands for 0, of the same shape.
        type: The integer type.
    """

    stored: onnx.TensorProto
    scale: np.ndarray
    zero_point: np.ndarray
    type: np.dtype[np.int8] | np.dtype[np.uint8]

    @property
    def integers(self) -> np.ndarray:
        """The eight-bit integers as int64."""
        held = onnx.numpy_helper.to_array(self.stored)
        if held.dtype == self.type:
            return held.astype(np.int64)
        limits = np.iinfo(self.type)
        steps = np.rint(held / self.scale) + self.zero_point
        found: np.ndarray = np.clip(steps, limits.min, limits.max).astype(np.int64)
        return found

    def store(self, integers: np.ndarray) -> None:
        """Keeps other integers."""
        if self.stored.data_type == onnx.TensorProto.FLOAT:
            replace(self.stored, (integers - self.zero_point) * self.scale)
        else:
            replace(self.stored, integers)


@dataclass(frozen=True)
class Layer:
    """A heavy operator with a constant weight, in the float graph and in the QDQ graph.

    Attributes:
        before: The node in the float graph.
        after: The node in the QDQ graph, whose first input is dequantized.
        weight: What can be changed of its weight.
        bias: What can be changed of its bias; None where it has none that is its own.
    """

    before: onnx.NodeProto
    after: onnx.NodeProto
    weight: Weight
    bias: Bias | None

    @property
    def channel_axis(self) -> int:
        """Which axis of the output are its channels."""
        return 1 if self.after.op_type in ("Conv", "ConvTranspose") else -1


def layers(prepared: onnx.ModelProto, quantized: onnx.ModelProto) -> list[Layer]:
    """The quantized heavy operators with a constant weight of their own, in the graph's order.

    They are known by their names, which the quantizer keeps.

    Args:
        prepared: The float graph.
        quantized: The QDQ graph made from it; what is changed of a layer changes it.
    """
    theirs = {node.name: node for node in prepared.graph.node if node.op_type in HEAVY}
    wiring = Wiring.of(quantized.graph)
    found = []
    for node in quantized.graph.node:
        if node.op_type not in HEAVY or node.name not in theirs:
            continue
        weight = _weight_of(node, wiring)
        if weight is not None and _made_by(node.input[0], "DequantizeLinear", wiring) is not None:
            bias = _bias_of(node, _channels(node, weight.stored), wiring)
            found.append(Layer(theirs[node.name], node, weight, bias))
    return found


def _weight_of(node: onnx.NodeProto, wiring: Wiring) -> Weight | None:
    dequantize = _made_by(node.input[1], "DequantizeLinear", wiring)
    if dequantize is None or wiring.only_reader(node.input[1]) is None:
        return None
    source = dequantize.input[0]
    quantize = _made_by(source, "QuantizeLinear", wiring)
    if quantize is not None and wiring.only_reader(source) is not None:
        source = quantize.input[0]
    if wiring.own_constant(source) is None or len(dequantize.input) < 3:
        return None
    scale, zero_point = (
        onnx.numpy_helper.to_array(wiring.constants[name]) for name in dequantize.input[1:3]
    )
    if zero_point.dtype not in (np.int8, np.uint8):
        return None
    stored = wiring.constants[source]
    shape = [1] * len(stored.dims)
    if scale.size > 1:
        shape[attribute(dequantize, "axis", 1)] = scale.size
    points = zero_point.reshape(shape).astype(np.int64)
    return Weight(stored, scale.reshape(shape), points, zero_point.dtype)


def _channels(node: onnx.NodeProto, weight: onnx.TensorProto) -> int:
    """How many output channels a heavy operator has."""
    if node.op_type == "ConvTranspose":
        return int(weight.dims[1]) * int(attribute(node, "group", 1))
    first = node.op_type == "Conv" or attribute(node, "transB", 0)
    return int(weight.dims[0 if first else -1])


def _bias_of(node: onnx.NodeProto, channels: int, wiring: Wiring) -> Bias | None:
    if node.op_type == "MatMul":
        return _added_after(node, channels, wiring)
    if len(node.input) < 3 or not node.input[2] or attribute(node, "beta", 1.0) != 1.0:
        return None
    if wiring.own_constant(node.input[2]) is not None:
        return _per_channel(wiring.constants[node.input[2]], channels)
    dequantize = _made_by(node.input[2], "DequantizeLinear", wiring)
    if dequantize is None or wiring.only_reader(node.input[2]) is None:
        return None
    steps = wiring.own_constant(dequantize.input[0])
    if steps is None or steps.dtype != np.int32 or steps.shape != (channels,):
        return None
    scale = onnx.numpy_helper.to_array(wiring.constants[dequantize.input[1]])
    return IntegerBias(wiring.constants[dequantize.input[0]], scale)


def _added_after(node: onnx.NodeProto, channels: int, wiring: Wiring) -> Bias | None:
    """The constant that an Add after a matrix product adds to its channels."""
    add = wiring.only_reader(node.output[0])
    if add is None or add.op_type != "Add":
        return None
    other = add.input[0] if add.input[1] == node.output[0] else add.input[1]
    if wiring.own_constant(other) is None:
        return None
    return _per_channel(wiring.constants[other], channels)


def _per_channel(stored: onnx.TensorProto, channels: int) -> Bias | None:
    """A constant that holds a number for each channel and nothing else."""
    fits = stored.dims and stored.dims[-1] == np.prod(stored.dims) == channels
    return FloatBias(stored) if fits and stored.data_type == onnx.TensorProto.FLOAT else None


def _made_by(tensor: str, kind: str, wiring: Wiring) -> onnx.NodeProto | None:
    node = wiring.producers.get(tensor)
    return node if node is not None and node.op_type == kind else None
