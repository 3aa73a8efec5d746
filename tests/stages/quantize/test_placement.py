from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.parser

from edgedistill.stages.quantize.placement import place, products_of_activations

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


def weights(found: onnx.GraphProto, *names: str) -> onnx.GraphProto:
    for name in names:
        found.initializer.add(name=name, data_type=onnx.TensorProto.FLOAT)
    return found


def test_an_addition_of_a_float_or_a_constant_stays_in_float() -> None:
    body = (
        "a = Conv (input, w) shifted = Add (a, constant) added = Add (a, input)"
        "product = MatMul (a, m) biased = Add (product, bias) out = Add (biased, a)"
    )
    given = weights(graph(body), "m")
    assert place(given).excluded == ("shifted", "added", "biased", "out")


def test_a_concatenation_is_quantized_where_all_its_parts_are() -> None:
    body = (
        "a = Conv (input, w) joined = Concat <axis=1> (a, a) mixed = Concat <axis=1> (a, input)"
        "out = Conv (joined, w)"
    )
    assert place(graph(body)).excluded == ("mixed",)


def test_a_product_of_two_activations_stays_in_float() -> None:
    body = (
        "query = Gemm (input, w) key = Gemm (input, w) scores = MatMul (query, key)"
        "out = MatMul (scores, w)"
    )
    given = weights(graph(body), "w")
    assert products_of_activations(given) == ("scores",)
    assert place(given).excluded == ("scores",)


def test_what_follows_a_gemm_runs_in_int8_only_towards_an_operator_that_does() -> None:
    body = (
        "a = Gemm (input, w) wide = Relu (a) b = Gemm (wide, w) shaped = Reshape (b, shape)"
        "moved = Transpose (shaped) out = Softmax (moved)"
    )
    assert place(weights(graph(body), "w")).excluded == ("shaped", "moved")


def test_a_transformers_residual_stream_stays_in_float(trained: Callable[[str], Path]) -> None:
    model = onnx.load_model(trained("transformer")).graph
    additions = {node.name for node in model.node if node.op_type == "Add"}
    assert additions
    assert additions <= set(place(model).excluded)
    assert len(products_of_activations(model)) == 2


def test_what_follows_wide_operators_alone_takes_sixteen_bits_too() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]>'
        "g (float[N,4,6,6] x) => (float[N,4,6,6] out) {"
        "a = Conv (x, w) ra = Relu (a) b = Conv (x, w) both = Add (ra, b) rc = Relu (both)"
        "out = Conv (rc, w) }"
    )
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    assert place(model.graph, wide={"Conv_0"}).wide == {"Conv_0", "Relu_1"}
    assert place(model.graph, wide={"Conv_0", "Conv_2"}).wide == {
        *("Conv_0", "Relu_1", "Conv_2", "Add_3", "Relu_4")
    }


def test_what_follows_an_operator_in_float_follows_it_there() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]>'
        "g (float[N,4,6,6] x) => (float[N,4,6,6] out) {"
        "a = Conv (x, w) ra = Relu (a) b = Conv (x, w) both = Add (ra, b) rc = Relu (both)"
        "out = Conv (rc, w) }"
    )
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    found = place(model.graph, floating={"Conv_0"})
    assert found.excluded == ("Conv_0", "Relu_1", "Add_3", "Relu_4")
    assert place(model.graph).excluded == ()
