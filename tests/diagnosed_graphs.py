"""Small ONNX graphs, healthy or with one thing wrong, for what looks for such things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike

CHANNELS = 16


class Net:
    """A graph that grows by one operator at a time; each call gives the name it writes."""

    def __init__(self, shape: Sequence[int | str] = (1, CHANNELS, 8, 8), *, kind: int = 1) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs = [helper.make_tensor_value_info("x", kind, shape)]
        self.generator = np.random.default_rng(0)

    def constant(self, values: ArrayLike, kind: Any = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], f"{name}_node", **attributes))
        return name

    def pair(self, tensor: str, scale: float = 0.05, zero: int = 128, kind: Any = np.uint8) -> str:
        """A QuantizeLinear and a DequantizeLinear."""
        how = self.constant(scale), self.constant(zero, kind)
        return self.add("DequantizeLinear", self.add("QuantizeLinear", tensor, *how), *how)

    def weight(self, shape: Sequence[int], *, largest: int = 127) -> np.ndarray:
        values = self.generator.integers(-largest, largest + 1, shape).astype(np.int8)
        values.reshape(len(values), -1)[:, 0] = largest
        return values

    def quantized(self, values: np.ndarray, scale: ArrayLike = 0.01, axis: int = 0) -> str:
        """An int8 weight behind its DequantizeLinear."""
        scales = np.asarray(scale, np.float32)
        how = self.constant(scales), self.constant(np.zeros(scales.shape), np.int8)
        return self.add("DequantizeLinear", self.constant(values, np.int8), *how, axis=axis)

    def int8_convolution(self, tensor: str, filters: int = CHANNELS, inner: int = CHANNELS) -> str:
        scales = np.full(filters, 0.01)
        return self.add("Conv", tensor, self.quantized(self.weight((filters, inner, 3, 3)), scales))

    def convolution(
        self, tensor: str, filters: int = CHANNELS, inner: int = CHANNELS, **attributes: Any
    ) -> str:
        values = self.generator.standard_normal((filters, inner, 3, 3))
        return self.add("Conv", tensor, self.constant(values), **attributes)

    def model(
        self, output: str, *, kind: int = TensorProto.FLOAT, opset: int = 20, ir_version: int = 10
    ) -> onnx.ModelProto:
        shape = [f"axis_{place}" for place in range(4)]
        written = helper.make_tensor_value_info(output, kind, shape)
        graph = helper.make_graph(self.nodes, "net", self.inputs, [written], self.constants)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def float_network(**options: Any) -> onnx.ModelProto:
    """Two convolutions and an activation in float."""
    net = Net()
    first = net.add("Relu", net.convolution("x"))
    return net.model(net.convolution(first), **options)


def int8_network() -> onnx.ModelProto:
    """Two convolutions and an activation, quantized as ONNX Runtime wants it."""
    net = Net()
    first = net.pair(net.add("Relu", net.int8_convolution(net.pair("x"))), zero=0)
    return net.model(net.pair(net.int8_convolution(first)))


def saved(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path
