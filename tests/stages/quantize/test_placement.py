from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.parser

from edgedistill.stages.quantize.placement import place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def graph(body: str) -> onnx.GraphProto:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]>\n'
        f"g (float[N,3,8,8] input) => (float[N,3,8,8] out) {{ {body} }}"
    )
    for node in model.graph.node:
        node.name = node.output[0]
    return model.graph


def test_a_residual_addition_after_convolutions_is_quantized() -> None:
    body = (
        "a = Conv (input, w) b = Relu (a) c = Conv (b, w) added = Add (c, b)"
        "d = Relu (added) pooled = MaxPool <kernel_shape=[2,2]> (d) out = Conv (pooled, w)"
    )
    assert place(graph(body)).excluded == ()


def test_an_addition_of_a_float_or_a_constant_stays_in_float() -> None:
    body = (
        "a = Conv (input, w) shifted = Add (a, constant) added = Add (a, input)"
        "product = MatMul (a, m) biased = Add (product, bias) out = Add (biased, a)"
    )
    assert place(graph(body)).excluded == ("shifted", "added", "biased", "out")


def test_a_concatenation_is_quantized_where_all_its_parts_are() -> None:
    body = (
        "a = Conv (input, w) joined = Concat <axis=1> (a, a) mixed = Concat <axis=1> (a, input)"
        "out = Conv (joined, w)"
    )
    assert place(graph(body)).excluded == ("mixed",)


def test_a_transformers_residual_stream_stays_in_float(trained: Callable[[str], Path]) -> None:
    model = onnx.load_model(trained("transformer")).graph
    additions = {node.name for node in model.node if node.op_type == "Add"}
    assert additions
    assert additions <= set(place(model).excluded)
