"""Where a channel can be made smaller on one side and larger on the other, and nothing changes.

A positive factor goes through a linear operator, and through an activation f with f(a x) = a f(x).
So what makes the channels of a tensor may be divided by factors, one a channel, and the weights of
all who read it multiplied by the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx

from edgedistill.stages.quantize.patches import by_channels, has_rows
from edgedistill.stages.quantize.wiring import Wiring, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HOMOGENEOUS = frozenset({"AveragePool", "LeakyRelu", "MaxPool", "Relu"})
"""Operators that a positive factor of a channel goes through. Not Clip: its bound would have to be
another for each channel, which no runtime fuses."""

_LINEAR = frozenset({"Conv", "Gemm", "MatMul"})


@dataclass(frozen=True)
class Side:
    """A constant that factors of channels go into.

    Attributes:
        name: Of the constant.
        node: The operator whose weight it is; None for one number a channel.
        which: Whether the channels are the operator's outputs or its inputs.
    """

    name: str
    node: onnx.NodeProto | None
    which: Literal["inputs", "outputs"]

    def ranges(self, held: np.ndarray) -> np.ndarray:
        """The greatest magnitude of each channel, `[channels]`."""
        if self.node is None:
            single: np.ndarray = np.abs(held).reshape(-1)
            return single
        split = np.abs(by_channels(self.node, held))
        found: np.ndarray = split.max((2, 3) if self.which == "outputs" else (1, 3)).reshape(-1)
        return found

    def multiply(self, held: np.ndarray, factors: np.ndarray) -> None:
        """Multiplies the channels of the constant's value, in place."""
        if self.node is None:
            held *= factors.reshape(held.shape)
            return
        split = by_channels(self.node, held)
        shape = (
            (split.shape[0], split.shape[1], 1, 1)
            if self.which == "outputs"
            else (split.shape[0], 1, split.shape[2], 1)
        )
        split *= factors.reshape(shape)


@dataclass(frozen=True)
class Junction:
    """A tensor whose channels only linear operators read, and what makes them.

    Attributes:
        tensor: Its name.
        axis: Which of its axes are the channels.
        makers: What has to be divided: weight and bias, or scale and bias of a normalization.
        readers: Weights that have to be multiplied.
        linear: Whether a linear operator makes it, whose weight is the first of the makers.
    """

    tensor: str
    axis: int
    makers: tuple[Side, ...]
    readers: tuple[Side, ...]
    linear: bool


def junctions(graph: onnx.GraphProto) -> list[Junction]:
    """The junctions of a float graph whose constants nobody else reads, in the graph's order."""
    wiring = Wiring.of(graph)
    found: dict[str, Junction] = {}
    for node in graph.node:
        made = _after_linear(node, wiring) or _after_scale(node, wiring)
        if made is None:
            continue
        tensor, makers, channels = made
        tensor = _through_activations(tensor, wiring, channels, node.op_type == "Conv")
        readers = _readers(tensor, channels, wiring, convolution=node.op_type == "Conv")
        if readers:
            axis = 1 if node.op_type == "Conv" else -1
            linear = node.op_type in _LINEAR
            found[tensor] = Junction(tensor, axis, makers, readers, linear)
    return list(found.values())


def constants_of(graph: onnx.GraphProto, found: Iterable[Junction]) -> dict[str, np.ndarray]:
    """The values of all constants of some junctions, by name, as float64."""
    names = {side.name for item in found for side in (*item.makers, *item.readers)}
    return {
        item.name: onnx.numpy_helper.to_array(item).astype(np.float64)
        for item in graph.initializer
        if item.name in names
    }


def put_back(graph: onnx.GraphProto, values: Mapping[str, np.ndarray]) -> None:
    """Gives constants of a graph other values."""
    for item in graph.initializer:
        if item.name in values:
            replace(item, values[item.name])


def divide(item: Junction, factors: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
    """Makes the channels of a junction smaller by factors, in place."""
    for side in item.makers:
        side.multiply(values[side.name], 1 / factors)
    for side in item.readers:
        side.multiply(values[side.name], factors)


def _after_linear(node: onnx.NodeProto, wiring: Wiring) -> tuple[str, tuple[Side, ...], int] | None:
    """What a linear operator with constants of its own gives, bias included."""
    if node.op_type not in _LINEAR or (weight := _own(node, 1, wiring)) is None:
        return None
    if not has_rows(node, weight):
        return None
    split = by_channels(node, weight)
    channels = split.shape[0] * split.shape[1]
    makers: tuple[Side, ...] = (Side(node.input[1], node, "outputs"),)
    if node.op_type == "MatMul":
        return _with_added(node.output[0], makers, channels, wiring)
    if len(node.input) > 2 and node.input[2]:
        bias = _own(node, 2, wiring)
        if bias is None or bias.size != channels:
            return None
        makers += (Side(node.input[2], None, "outputs"),)
    return node.output[0], makers, channels


def _after_scale(node: onnx.NodeProto, wiring: Wiring) -> tuple[str, tuple[Side, ...], int] | None:
    """What a normalization over the last axis gives, whole or as its last Mul and Add."""
    if node.op_type == "Mul":
        place = next((i for i in (0, 1) if _own(node, i, wiring) is not None), None)
    else:
        place = 1 if node.op_type == "LayerNormalization" else None
    scale = _own(node, place, wiring) if place is not None else None
    if place is None or scale is None or scale.shape[-1:] != (scale.size,):
        return None
    makers: tuple[Side, ...] = (Side(node.input[place], None, "outputs"),)
    if node.op_type == "Mul":
        return _with_added(node.output[0], makers, scale.size, wiring)
    if len(node.input) > 2 and node.input[2]:
        if (bias := _own(node, 2, wiring)) is None or bias.size != scale.size:
            return None
        makers += (Side(node.input[2], None, "outputs"),)
    return node.output[0], makers, scale.size


def _with_added(
    tensor: str, makers: tuple[Side, ...], channels: int, wiring: Wiring
) -> tuple[str, tuple[Side, ...], int] | None:
    """Goes on over an Add of one number a channel."""
    add = wiring.only_reader(tensor)
    if add is None or add.op_type != "Add":
        return tensor, makers, channels
    place = 0 if add.input[1] == tensor else 1
    bias = _own(add, place, wiring)
    if bias is None or bias.size != channels or bias.shape[-1] != channels:
        return None
    return add.output[0], (*makers, Side(add.input[place], None, "outputs")), channels


def _through_activations(tensor: str, wiring: Wiring, channels: int, convolution: bool) -> str:
    passed = _HOMOGENEOUS if convolution else _HOMOGENEOUS - {"AveragePool", "MaxPool"}
    while (reader := wiring.only_reader(tensor)) is not None and (
        reader.op_type in passed or (not convolution and _keeps_last_axis(reader, wiring, channels))
    ):
        tensor = reader.output[0]
    return tensor


def _keeps_last_axis(node: onnx.NodeProto, wiring: Wiring, channels: int) -> bool:
    """Whether a Reshape leaves the channels where they are, as one of rows to a matrix does."""
    shape = wiring.constants.get(node.input[1]) if node.op_type == "Reshape" else None
    return shape is not None and int(onnx.numpy_helper.to_array(shape)[-1]) == channels


def _readers(tensor: str, channels: int, wiring: Wiring, *, convolution: bool) -> tuple[Side, ...]:
    """All who read a tensor, where each is linear with a weight of its own; else none."""
    found = []
    for node in wiring.readers(tensor):
        fits = node.op_type in _LINEAR and (node.op_type == "Conv") == convolution
        weight = _own(node, 1, wiring) if fits and node.input[0] == tensor else None
        if weight is None or not has_rows(node, weight) or tensor in wiring.shown:
            return ()
        split = by_channels(node, weight)
        if split.shape[0] * split.shape[2] != channels:
            return ()
        found.append(Side(node.input[1], node, "inputs"))
    return tuple(found)


def _own(node: onnx.NodeProto, place: int, wiring: Wiring) -> np.ndarray | None:
    """A constant input in float32 that only this node reads."""
    if len(node.input) <= place:
        return None
    held = wiring.own_constant(node.input[place])
    return held if held is not None and held.dtype == np.float32 else None
