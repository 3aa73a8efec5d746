"""A first convolution in a form that the runtime's int8 kernels take.

onnxruntime's quickest int8 convolution reads input channels in fours (`MlasConvSymPackWSize` in
its `convsym.cpp`); where they are not a multiple of four, as in a picture of three colours, it
gathers each window into a matrix first, at several times the cost. Measured on an x86 processor
with VNNI: 7x7, stride 2, 64 channels at 224 pixels 0.65x the time, 3x3, stride 2, 32 channels at
224 pixels 0.61x, 3x3, stride 1, 64 channels at 32 pixels 0.66x; of seventeen first convolutions
none became slower by more than 2 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from edgedistill.stages.quantize.editing import (
    add_constant,
    insert_before,
    set_attribute,
    static_shapes,
)
from edgedistill.stages.quantize.wiring import Wiring, attribute

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

_CHANNELS_AT_ONCE = 4
_BLOCK = 2
_PICTURE = 4
"""Axes of [batch, channels, height, width]."""


def fit_first_convolutions(graph: onnx.GraphProto) -> None:
    """Gives convolutions that read a graph input a multiple of four channels; the function stays.

    With stride 2 on an even picture, two by two pixels become one of four times the channels and
    the stride becomes 1. Else a channel of zeros is added to three.
    """
    shapes, known = static_shapes(graph), Wiring.of(graph).constants
    inputs = {value.name for value in graph.input}
    for node in list(graph.node):
        if node.op_type != "Conv" or node.input[0] not in inputs or node.input[1] not in known:
            continue
        weight = numpy_helper.to_array(known[node.input[1]])
        window = _Window.of(node, weight, shapes[node.input[0]])
        missing = -weight.shape[1] % _CHANNELS_AT_ONCE
        if window is None or not missing:
            continue
        blocks = [axis.in_blocks() for axis in window.axes]
        if all(block is not None for block in blocks):
            _read_blocks(graph, node, weight, [block for block in blocks if block is not None])
        elif missing < weight.shape[1]:  # one channel would become four: as quick and more to count
            _read_more_channels(graph, node, weight, missing)


@dataclass(frozen=True)
class _Blocks:
    """How a stride of 2 along one axis looks in blocks of two pixels.

    Attributes:
        before: Blocks of padding in front.
        after: Blocks of padding behind.
        length: Of the kernel, in blocks.
        skipped: Pixels of the first block that the kernel does not read.
    """

    before: int
    after: int
    length: int
    skipped: int


@dataclass(frozen=True)
class _Axis:
    """One axis of a convolution, in pixels."""

    size: int | None
    kernel: int
    stride: int
    before: int
    after: int

    def in_blocks(self) -> _Blocks | None:
        """The same in blocks of two, or None where it cannot be so."""
        if self.size is None or self.size % _BLOCK or self.stride != _BLOCK:
            return None
        first = -self.before // _BLOCK  # floor: the block that output 0 starts in
        length = (self.kernel - 1 - self.before) // _BLOCK - first + 1
        outputs = (self.size + self.before + self.after - self.kernel) // _BLOCK + 1
        after = outputs - 1 + length - self.size // _BLOCK + first
        if after < 0:
            return None
        return _Blocks(-first, after, length, -self.before - _BLOCK * first)


@dataclass(frozen=True)
class _Window:
    """A plain convolution of a picture: no groups, no dilation, its padding spelled out."""

    axes: tuple[_Axis, _Axis]

    @classmethod
    def of(
        cls, node: onnx.NodeProto, weight: np.ndarray, shape: tuple[int | None, ...]
    ) -> _Window | None:
        if weight.ndim != _PICTURE or len(shape) != _PICTURE or attribute(node, "group", 1) != 1:
            return None
        if attribute(node, "dilations", [1, 1]) != [1, 1]:
            return None
        if attribute(node, "auto_pad", b"NOTSET") != b"NOTSET":
            return None
        strides, pads = attribute(node, "strides", [1, 1]), attribute(node, "pads", [0] * 4)
        height, width = (
            _Axis(shape[2 + place], weight.shape[2 + place], strides[place], *pads[place::2])
            for place in (0, 1)
        )
        return cls((height, width))


def _read_blocks(
    graph: onnx.GraphProto, node: onnx.NodeProto, weight: np.ndarray, blocks: list[_Blocks]
) -> None:
    """Two by two pixels become one: SpaceToDepth's order of channels is (row, column, channel)."""
    rows, columns = blocks
    many, channels, height, width = weight.shape
    spread = np.zeros((many, channels, _BLOCK * rows.length, _BLOCK * columns.length), weight.dtype)
    spread[
        :, :, rows.skipped : rows.skipped + height, columns.skipped : columns.skipped + width
    ] = weight
    in_blocks = spread.reshape(many, channels, rows.length, _BLOCK, columns.length, _BLOCK)
    in_blocks = in_blocks.transpose(0, 3, 5, 1, 2, 4)
    in_blocks = in_blocks.reshape(many, _BLOCK**2 * channels, rows.length, columns.length)
    name = node.name
    new = helper.make_node(
        "SpaceToDepth", [node.input[0]], [f"{name}_blocks"], f"{name}_blocks", blocksize=_BLOCK
    )
    insert_before(graph, node, new)
    node.input[0] = new.output[0]
    node.input[1] = add_constant(graph, f"{name}_weight_blocks", in_blocks)
    set_attribute(node, "kernel_shape", [rows.length, columns.length])
    set_attribute(node, "strides", [1, 1])
    set_attribute(node, "pads", [rows.before, columns.before, rows.after, columns.after])


def _read_more_channels(
    graph: onnx.GraphProto, node: onnx.NodeProto, weight: np.ndarray, missing: int
) -> None:
    name = node.name
    pads = add_constant(graph, f"{name}_pads", np.array([0, 0, 0, 0, 0, missing, 0, 0], np.int64))
    new = helper.make_node("Pad", [node.input[0], pads], [f"{name}_padded"], f"{name}_padded")
    insert_before(graph, node, new)
    node.input[0] = new.output[0]
    zeros = np.pad(weight, ((0, 0), (0, missing), (0, 0), (0, 0)))
    node.input[1] = add_constant(graph, f"{name}_weight_padded", zeros)


def fold_pads(graph: onnx.GraphProto) -> None:
    """Lets a convolution pad for itself where a Pad with zeros stands before it."""
    wiring = Wiring.of(graph)
    for node in list(graph.node):
        padded = wiring.only_reader(node.output[0]) if node.op_type == "Pad" else None
        pads = _spatial_zeros(node, wiring.constants) if padded is not None else None
        if padded is None or pads is None or padded.op_type != "Conv":
            continue
        if attribute(padded, "auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            continue
        own = attribute(padded, "pads", [0] * len(pads))
        set_attribute(padded, "pads", [mine + more for mine, more in zip(own, pads, strict=True)])
        set_attribute(padded, "auto_pad", "NOTSET")
        padded.input[0] = node.input[0]
        graph.node.remove(node)


def _spatial_zeros(node: onnx.NodeProto, known: Mapping[str, onnx.TensorProto]) -> list[int] | None:
    """How much a Pad adds to the spatial axes, where it adds zeros and only there."""
    _, amounts, filling, axes = (*node.input, "", "")[:4]
    if attribute(node, "mode", b"constant") != b"constant" or axes or amounts not in known:
        return None
    if filling and (filling not in known or numpy_helper.to_array(known[filling]).any()):
        return None
    pads = numpy_helper.to_array(known[amounts])
    begins, ends = np.split(pads, 2)
    if (pads < 0).any() or begins[:2].any() or ends[:2].any():
        return None
    return [int(value) for value in (*begins[2:], *ends[2:])]
