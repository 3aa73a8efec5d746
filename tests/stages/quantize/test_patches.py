from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from edgedistill.stages.quantize.patches import filters, has_rows, rows, weight_from

CASES: dict[str, tuple[str, dict[str, object], tuple[int, ...], tuple[int, ...]]] = {
    "plain": ("Conv", {}, (1, 3, 7, 6), (4, 3, 3, 2)),
    "strides and pads": (
        "Conv",
        {"strides": [2, 1], "pads": [1, 0, 2, 3]},
        (1, 3, 7, 6),
        (4, 3, 3, 3),
    ),
    "dilated": ("Conv", {"dilations": [2, 3], "pads": [2, 2, 2, 2]}, (1, 2, 9, 9), (3, 2, 3, 2)),
    "grouped": ("Conv", {"group": 2, "pads": [1, 1, 1, 1]}, (1, 6, 5, 5), (4, 3, 3, 3)),
    "depthwise": ("Conv", {"group": 4}, (1, 4, 5, 5), (8, 1, 3, 3)),
    "same upper": (
        "Conv",
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        (1, 2, 7, 8),
        (3, 2, 4, 3),
    ),
    "same lower": (
        "Conv",
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        (1, 2, 8, 7),
        (3, 2, 3, 4),
    ),
    "valid": ("Conv", {"auto_pad": "VALID"}, (1, 2, 7, 8), (3, 2, 3, 3)),
    "several samples": ("Conv", {}, (3, 2, 5, 5), (3, 2, 3, 3)),
    "one axis": ("Conv", {"pads": [1, 1]}, (1, 3, 9), (4, 3, 3)),
    "three axes": ("Conv", {}, (1, 2, 4, 5, 6), (3, 2, 2, 2, 2)),
    "product": ("MatMul", {}, (1, 5, 4), (4, 3)),
    "linear": ("Gemm", {"transB": 1}, (5, 4), (3, 4)),
    "linear as stored": ("Gemm", {}, (5, 4), (4, 3)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_rows_times_filters_is_what_the_runtime_gives(
    case: tuple[str, dict[str, object], tuple[int, ...], tuple[int, ...]],
) -> None:
    kind, attributes, given_shape, weight_shape = case
    generator = np.random.default_rng(0)
    given = generator.normal(size=given_shape).astype(np.float32)
    weight = generator.normal(size=weight_shape).astype(np.float32)
    node = helper.make_node(kind, ["x", "w"], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, given_shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (wanted,) = session.run(None, {"x": given})
    channels = np.moveaxis(wanted, 1 if kind == "Conv" else -1, 0)
    channels = channels.reshape(channels.shape[0], -1)  # [outputs, rows]

    assert has_rows(node, weight)
    every = (np.arange(channels.shape[1]) + 0.5) / channels.shape[1]
    found = rows(node, given, weight_shape[2:] if kind == "Conv" else (), every)
    made = filters(node, weight) @ found.transpose(0, 2, 1)
    np.testing.assert_allclose(made.reshape(channels.shape), channels, atol=1e-5)
    np.testing.assert_array_equal(weight_from(node, filters(node, weight), weight_shape), weight)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Gemm", ["x", "w"], ["y"], transA=1),
        helper.make_node("Gemm", ["x", "w"], ["y"], alpha=0.5),
        helper.make_node("ConvTranspose", ["x", "w"], ["y"]),
    ],
    ids=["transposed", "scaled", "transposed convolution"],
)
def test_what_is_no_plain_product_has_no_rows(node: onnx.NodeProto) -> None:
    assert not has_rows(node, np.zeros((2, 2)))
