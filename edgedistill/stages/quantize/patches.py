"""What each weight of a heavy operator is multiplied with, as rows of a matrix.

A convolution is a matrix product of patches with filters; written so, weights of all heavy
operators are rounded by the same formulas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.stages.quantize.wiring import attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx


def has_rows(node: onnx.NodeProto, weight: np.ndarray) -> bool:
    """Whether `filters` and `rows` know the operator; they know no transposed convolution."""
    if node.op_type == "Conv":
        return True
    if node.op_type == "Gemm":
        return not attribute(node, "transA", 0) and attribute(node, "alpha", 1.0) == 1.0
    return node.op_type == "MatMul" and weight.ndim == 2


def filters(node: onnx.NodeProto, weight: np.ndarray) -> np.ndarray:
    """A weight as `[groups, outputs of a group, inputs]`; a view where that is possible."""
    split = by_channels(node, weight)
    whole: np.ndarray = split.reshape(*split.shape[:2], -1)
    return whole


def by_channels(node: onnx.NodeProto, weight: np.ndarray) -> np.ndarray:
    """A view of a weight as `[groups, outputs of a group, inputs of a group, kernel]`."""
    if node.op_type == "Conv":
        groups = attribute(node, "group", 1)
        size = (groups, weight.shape[0] // groups, weight.shape[1], -1)
        split: np.ndarray = weight.reshape(size)
        return split
    if node.op_type == "Gemm" and attribute(node, "transB", 0):
        return weight[None, :, :, None]
    return weight.T[None, :, :, None]


def weight_from(node: onnx.NodeProto, rows: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The weight that `filters` made `[groups, outputs of a group, inputs]` from."""
    if node.op_type == "Conv" or (node.op_type == "Gemm" and attribute(node, "transB", 0)):
        back: np.ndarray = rows.reshape(tuple(shape))
        return back
    turned: np.ndarray = rows[0].T
    return turned


def rows(
    node: onnx.NodeProto, given: np.ndarray, kernel: Sequence[int], chosen: np.ndarray
) -> np.ndarray:
    """Some of the rows that an operator multiplies its weight with.

    Args:
        node: The operator.
        given: Its first input on one sample.
        kernel: Size of the kernel of a convolution; empty otherwise.
        chosen: Numbers in [0, 1) that say which rows.

    Returns:
        `[groups, rows, inputs]`, as many rows as were chosen.
    """
    if node.op_type != "Conv":
        flat = given.reshape(-1, given.shape[-1])
        return flat[(chosen * len(flat)).astype(np.int64)][None]
    windows = _windows(node, given, kernel)
    places = windows.shape[:1] + windows.shape[2 : 2 + len(kernel)]
    index = np.unravel_index((chosen * np.prod(places)).astype(np.int64), places)
    # [rows, channels, *kernel]: an index array on both sides of a slice moves it to the front
    everything: Any = slice(None)
    found = windows[index[0], everything, *index[1:]]
    groups = attribute(node, "group", 1)
    split = found.reshape(len(chosen), groups, -1)
    return np.ascontiguousarray(split.transpose(1, 0, 2))


def _windows(node: onnx.NodeProto, given: np.ndarray, kernel: Sequence[int]) -> np.ndarray:
    """A view `[batch, channels, *places, *kernel]` of the padded input."""
    ones = [1] * len(kernel)
    strides = attribute(node, "strides", ones)
    dilations = attribute(node, "dilations", ones)
    extents = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    pads = _pads(node, given.shape[2:], extents, strides)
    padded = np.pad(given, [(0, 0), (0, 0), *pads])
    axes = tuple(range(2, given.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(padded, extents, axes)
    steps = [slice(None, None, step) for step in (*strides, *dilations)]
    return windows[:, :, *steps]


def _pads(
    node: onnx.NodeProto, size: Sequence[int], extents: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """Zeros before and after each axis, as the specification of Conv has them."""
    automatic = attribute(node, "auto_pad", b"NOTSET")
    if automatic == b"VALID":
        return [(0, 0)] * len(size)
    if automatic == b"NOTSET":
        pads = attribute(node, "pads", [0] * (2 * len(size)))
        return list(zip(pads[: len(size)], pads[len(size) :], strict=True))
    found = []
    for length, extent, step in zip(size, extents, strides, strict=True):
        missing = max(0, (-(-length // step) - 1) * step + extent - length)
        less, more = missing // 2, missing - missing // 2
        found.append((less, more) if automatic == b"SAME_UPPER" else (more, less))
    return found
