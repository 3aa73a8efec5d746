from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from cost.networks import mobilenet_v2, resnet18, vgg16

from edgedistill.core.operator_kind import Kind
from edgedistill.cost import count, operators_of, precision_of
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from edgedistill.cost.operators import Operator

# by kind: operators, MACs, elements of weights, read, written
Totals = dict[Kind, tuple[int, int, int, int, int]]

# The tables of operators that this project's fits were made with, which follow
# torchvision's and Keras' definitions (He 2015, Sandler 2018, Simonyan 2014).
RESNET_18: Totals = {
    Kind.CONV_OTHER: (4, 291_422_208, 1_557_696, 501_760, 978_432),
    Kind.POOLING: (2, 0, 0, 827_904, 201_216),
    Kind.CONV_3X3: (13, 1_502_871_552, 9_437_184, 1_329_664, 1_329_664),
    Kind.ELEMENTWISE: (8, 0, 0, 1_505_280, 752_640),
    Kind.POINTWISE: (3, 19_267_584, 172_032, 351_232, 175_616),
    Kind.MATMUL: (1, 512_000, 512_000, 512, 1_000),
    Kind.SOFTMAX: (1, 0, 0, 1_000, 1_000),
}
MOBILENET_V2: Totals = {
    Kind.CONV_OTHER: (1, 10_838_016, 864, 150_528, 401_408),
    Kind.DEPTHWISE: (17, 20_716_416, 64_224, 3_741_248, 2_301_824),
    Kind.POINTWISE: (34, 267_939_840, 2_124_672, 2_874_144, 3_974_880),
    Kind.ELEMENTWISE: (10, 0, 0, 432_768, 216_384),
    Kind.POOLING: (1, 0, 0, 62_720, 1_280),
    Kind.MATMUL: (1, 1_281_280, 1_281_280, 1_280, 1_001),
    Kind.SOFTMAX: (1, 0, 0, 1_001, 1_001),
}
VGG_16: Totals = {
    Kind.CONV_3X3: (13, 15_346_630_656, 14_710_464, 9_081_856, 13_547_520),
    Kind.POOLING: (5, 0, 0, 6_121_472, 1_530_368),
    Kind.MATMUL: (3, 123_633_664, 123_633_664, 33_280, 9_192),
    Kind.SOFTMAX: (1, 0, 0, 1_000, 1_000),
}


def totals(operators: Iterable[Operator]) -> Totals:
    found: dict[Kind, list[int]] = defaultdict(lambda: [0] * 5)
    for one in operators:
        sizes = 1, one.macs, one.weight_elements, one.input_elements, one.output_elements
        found[one.kind] = [sum(pair) for pair in zip(found[one.kind], sizes, strict=True)]
    return {kind: tuple(sizes) for kind, sizes in found.items() if kind is not Kind.FREE}


def kinds(operators: Iterable[Operator]) -> list[Kind]:
    return [one.kind for one in operators if one.kind is not Kind.FREE]


@pytest.mark.parametrize(
    ("make", "expected"), [(resnet18, RESNET_18), (mobilenet_v2, MOBILENET_V2)]
)
def test_an_exported_network_has_the_operators_of_its_published_list(
    make: Callable[[], object], expected: Totals, export: Callable[..., Path]
) -> None:
    file = export(make(), (3, 224, 224))
    operators = operators_of(file)
    assert totals(operators) == expected
    assert sum(one.macs for one in operators) == count(file).macs
    assert precision_of(operators) == "fp32"


def test_weights_that_are_computed_cost_nothing(tmp_path: Path) -> None:
    file = tmp_path / "vgg16.onnx"
    onnx.save_model(vgg16(), file)
    operators = operators_of(file)
    assert totals(operators) == VGG_16
    assert sum(one.macs for one in operators) == count(file).macs


FORMS: dict[str, tuple[str, dict[str, tuple[int, ...]], list[tuple[object, ...]]]] = {
    # kind, MACs, elements of weights, read, written
    "one-dimensional convolution": (
        "(float[N,2,10] x) => (float[N,4,8] y) { y = Conv (x, w) }",
        {"w": (4, 2, 3)},
        [(Kind.CONV_OTHER, 4 * 8 * 2 * 3, 24, 20, 32)],
    ),
    "one-dimensional pointwise convolution": (
        "(float[N,2,10] x) => (float[N,4,10] y) { y = Conv (x, w) }",
        {"w": (4, 2, 1)},
        [(Kind.POINTWISE, 80, 8, 20, 40)],
    ),
    "convolution over volumes": (
        "(float[N,2,4,4,4] x) => (float[N,3,2,2,2] y) { y = Conv (x, w) }",
        {"w": (3, 2, 3, 3, 3)},
        [(Kind.CONV_OTHER, 3 * 8 * 2 * 27, 162, 128, 24)],
    ),
    "depthwise with a multiplier": (
        "(float[N,4,5,5] x) => (float[N,8,3,3] y) { y = Conv <group=4> (x, w) }",
        {"w": (8, 1, 3, 3)},
        [(Kind.DEPTHWISE, 8 * 9 * 9, 72, 100, 72)],
    ),
    "grouped": (
        "(float[N,4,5,5] x) => (float[N,4,5,5] y) { y = Conv <group=2, pads=[1,1,1,1]> (x, w) }",
        {"w": (4, 2, 3, 3)},
        [(Kind.GROUPED, 4 * 25 * 18, 72, 100, 100)],
    ),
    "transposed": (
        "(float[N,4,5,5] x) => (float[N,6,10,10] y) { y = ConvTranspose <strides=[2,2]> (x, w) }",
        {"w": (4, 6, 2, 2)},
        [(Kind.CONV_OTHER, 4 * 25 * 6 * 4, 96, 100, 600)],
    ),
    "product of two activations": (
        "(float[N,2,5,8] x, float[N,2,8,7] z) => (float[N,2,5,7] y) { y = MatMul (x, z) }",
        {},
        [(Kind.MATMUL, 2 * 5 * 8 * 7, 0, 80 + 112, 70)],
    ),
    "embedding": (
        "(int64[N,5] x) => (float[N,5,8] y) { y = Gather (w, x) }",
        {"w": (1000, 8)},
        [(Kind.MOVEMENT, 0, 0, 40, 40)],
    ),
    "slice": (
        "(float[N,100] x) => (float[N,10] y) <int64[1] a = {0}, int64[1] b = {10}, "
        "int64[1] c = {1}> { y = Slice (x, a, b, c) }",
        {},
        [(Kind.MOVEMENT, 0, 0, 10, 10)],
    ),
    "split": (
        "(float[N,6] x) => (float[N,3] y, float[N,3] z) "
        "{ y, z = Split <axis=1, num_outputs=2> (x) }",
        {},
        [(Kind.MOVEMENT, 0, 0, 6, 6)],
    ),
    "resize": (
        "(float[N,2,3,3] x) => (float[N,2,6,6] y) <float[4] s = {1.0, 1.0, 2.0, 2.0}> "
        "{ y = Resize (x, , s) }",
        {},
        [(Kind.MOVEMENT, 0, 0, 18, 72)],
    ),
    "transposition of an axis of one": (
        "(float[N,1,6] x) => (float[1,N,6] y) { y = Transpose <perm=[1,0,2]> (x) }",
        {},
        [(Kind.FREE, 0, 0, 6, 6)],
    ),
    "global pooling": (
        "(float[N,4,5,5] x) => (float[N,4] y) <int64[2] a = {2, 3}> "
        "{ y = ReduceMean <keepdims=0> (x, a) }",
        {},
        [(Kind.POOLING, 0, 0, 100, 4)],
    ),
    "softmax of a mask": (
        "(float[N,4] x, bool[N,4] m) => (float[N,4] y) <float low = {-9.0}> "
        "{ w = Where (m, x, low) y = Softmax (w) }",
        {},
        [(Kind.ELEMENTWISE, 0, 0, 8, 4), (Kind.SOFTMAX, 0, 0, 4, 4)],
    ),
    "mish": (
        "(float[N,4] x) => (float[N,4] y) { y = Mish (x) }",
        {},
        [(Kind.SIGMOID, 0, 0, 4, 4)] * 2 + [(Kind.ELEMENTWISE, 0, 0, 4, 4)],
    ),
    "einsum": (
        "(float[N,5,7] x, float[N,6,7] z) => (float[N,5,6] y) "
        '{ y = Einsum <equation="bik, bjk -> bij"> (x, z) }',
        {},
        [(Kind.MATMUL, 5 * 6 * 7, 0, 35 + 42, 30)],
    ),
    "einsum that only turns": (
        '(float[N,5,7] x) => (float[N,7,5] y) { y = Einsum <equation="bij->bji"> (x) }',
        {},
        [(Kind.MOVEMENT, 0, 0, 35, 35)],
    ),
    "long short-term memory": (  # 3 times, 4 gates of 5 units, 2 inputs, one direction
        "(float[N,3,2] x) => (float[3,1,N,5] y) "
        "{ t = Transpose <perm=[1,0,2]> (x) y = LSTM <hidden_size=5> (t, w, r) }",
        {"w": (1, 20, 2), "r": (1, 20, 5)},
        [
            (Kind.FREE, 0, 0, 6, 6),
            (Kind.MATMUL, 3 * 20 * 2, 40, 6, 60),
            (Kind.MATMUL, 3 * 20 * 5, 3 * 100, 15, 60),
            (Kind.SIGMOID, 0, 0, 60, 60),
        ],
    ),
    "shapes and dead ends": (
        "(float[N,4,5] x) => (float[N,20] y) <int64[1] rest = {-1}, int64[1] at = {0}> "
        "{ s = Shape (x) n = Gather (s, at) t = Concat <axis=0> (n, rest) y = Reshape (x, t) "
        "dead = MatMul (x, w) }",
        {"w": (5, 7)},
        [(Kind.FREE, 0, 0, 20, 20)],
    ),
    "an operator of no table": (
        "(float[N,4] x, float[N,4] z) => (float[N,4] y) { y = Max (x, z) }",
        {},
        [(Kind.ELEMENTWISE, 0, 0, 8, 4)],
    ),
    "best of many": (
        "(float[N,100] x) => (float[N,5] y, int64[N,5] i) <int64[1] k = {5}> "
        "{ y, i = TopK (x, k) }",
        {},
        [(Kind.POSTPROCESSING, 0, 0, 100, 10)],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_closed_forms(name: str, write: Callable[..., Path]) -> None:
    text, weights, expected = FORMS[name]
    file = write(f"g {text}", weights=weights)
    found = [
        (one.kind, one.macs, one.weight_elements, one.input_elements, one.output_elements)
        for one in operators_of(file)
    ]
    assert found == expected
    if "dead" not in name:
        assert sum(one.macs for one in operators_of(file)) == count(file).macs


def test_attention_as_one_operator(write: Callable[..., Path]) -> None:
    text = "g (float[N,2,6,4] q, float[N,2,6,4] k, float[N,2,6,4] v) => (float[N,2,6,4] y)"
    file = write(f"{text} {{ y = Attention (q, k, v) }}", opset='"" : 23')
    (one,) = operators_of(file)
    assert (one.kind, one.macs, one.input_elements) == (Kind.ATTENTION, 2 * 2 * 36 * 4, 3 * 48)


def test_kernels_strides_and_channels(write: Callable[..., Path]) -> None:
    file = write(
        "g (float[N,3,9,9] x) => (float[N,4] y) { c = Conv <strides=[2,2]> (x, w) "
        "p = MaxPool <kernel_shape=[3,3], strides=[3,3]> (c) f = Flatten (p) y = Gemm (f, v) }",
        weights={"w": (8, 3, 5, 5), "v": (8, 4)},
    )
    found = [
        (one.kernel, one.stride, one.input_channels, one.output_channels)
        for one in operators_of(file)
    ]
    assert found == [(5, 2, 3, 8), (3, 3, 0, 0), (1, 1, 0, 0), (1, 1, 8, 4)]


def test_what_depends_on_the_picture_is_postprocessing(write: Callable[..., Path]) -> None:
    file = write(
        "g (float[N,9,4] boxes, float[N,2,9] scores) => (float[A,4] y) "
        "<int64[1] k = {5}, int64[1] axes = {0}, int64[1] at = {2}> {"
        "chosen = NonMaxSuppression (boxes, scores, k) places = Gather <axis=1> (chosen, at) "
        "flat = Squeeze (boxes, axes) kept = GatherND (flat, places) y = Exp (kept) }"
    )
    assert kinds(operators_of(file)) == [Kind.POSTPROCESSING] * 4


def test_work_that_depends_on_the_picture_is_refused(write: Callable[..., Path]) -> None:
    file = write(
        "g (float[N,6] x) => (float[A,3] y) { p = NonZero (x) t = Transpose (p) "
        "r = Cast <to=1> (t) y = MatMul (r, w) }",
        weights={"w": (2, 3)},
    )
    with pytest.raises(InputError, match="shape of this tensor cannot be inferred"):
        operators_of(file)


@pytest.mark.parametrize(
    ("text", "opset", "message"),
    [
        (
            "(float[N,7] x) => (float[N,7] y) { y = com.example.Magic (x) }",
            '"" : 20, "com.example" : 1',
            r"cannot be counted.*com\.example:Magic.*standard ONNX operators",
        ),
        (
            "(bool[1] c, float[N,7] x) => (float[N,7] y) { y = If (c) "
            "<then_branch = t () => (float[N,7] a) { a = Exp (x) }, "
            "else_branch = e () => (float[N,7] b) { b = Log (x) }> }",
            '"" : 20',
            r"given: If.*without control flow",
        ),
        (
            '(float[N,7] x) => (float[N] y) { y = Einsum <equation="...i->..."> (x) }',
            '"" : 20',
            r"cannot be counted.*Einsum \.\.\.i.*at most two tensors",
        ),
        (
            '(float[N,7] x) => (float[N] y) { y = Einsum <equation="ijk->i"> (x) }',
            '"" : 20',
            r"Einsum|shapes contradict",
        ),
        (
            "(float[N,2,4,4] x) => (float[N,4,4,4] y) { s = Constant <value_ints=[4,2]> () "
            "w = ConstantOfShape (s) y = Conv (x, w) }",
            '"" : 20',
            r"convolution without a kernel for each axis|shapes contradict",
        ),
        (
            "(float[N,3,2] x, float[N,2] m) => (float[3,1,N,5] y) "
            "{ t = Transpose <perm=[1,0,2]> (x) y = LSTM <hidden_size=5> (t, m, x) }",
            '"" : 20',
            r"weight of this recurrent layer.*given: \[1, 2\]|shapes contradict",
        ),
        (
            "(float[N,length,7] x) => (float[N,length,7] y) { y = Exp (x) }",
            '"" : 20',
            r"x: axis 1 of this input has no size.*given: length",
        ),
    ],
)
def test_what_cannot_be_costed_is_named(
    text: str, opset: str, message: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=message):
        operators_of(write(f"g {text}", opset=opset))


@pytest.mark.parametrize(
    "text",
    [
        "(float[N,8] x) => (float[N] y) { f = Squeeze (x) s = MatMul (f, w) t = Add (s, b) "
        "y = Mul (t, t) }",
        "(float[N,8] x) => (float[N,0] y) <int64[1] a = {0}, int64[1] z = {0}, int64[1] c = {1}> "
        "{ s = Slice (x, a, z, c) y = Exp (s) }",
        "(float[N,8] x) => (float[N,8] y) <float one = {1.0}> "
        "{ d = Div (one, x) e = Erf (d) p = Add (e, one) m = Mul (p, x) y = Mul (m, one) }",
    ],
)
def test_odd_graphs_are_read(text: str, write: Callable[..., Path]) -> None:
    operators = operators_of(write(f"g {text}", weights={"w": (8,), "b": (1,)}))
    assert all(one.kind is Kind.FREE or one.output_elements > 0 for one in operators)
    assert Kind.GELU not in kinds(operators)


def test_open_axes_may_be_given(write: Callable[..., Path]) -> None:
    file = write("g (float[N,length,7] x) => (float[N,length,7] y) { y = Exp (x) }")
    (one,) = operators_of(file, input_shapes={"x": (5, 7)})
    assert (one.kind, one.output_elements) == (Kind.SIGMOID, 35)


def test_half_precision_is_told_operator_by_operator(write: Callable[..., Path]) -> None:
    file = write(
        "g (float[N,8] x) => (float[N,8] y) { h = Cast <to=10> (x) p = MatMul (h, w) "
        "f = Cast <to=1> (p) y = Softmax (f) }",
        weights={"w": (8, 8)},
        dtype="float16",
    )
    operators = operators_of(file)
    assert [one.precision for one in operators] == ["fp16", "fp16", "fp32", "fp32"]
    assert precision_of(operators) == "fp16"
    assert precision_of(operators[2:]) == "fp32"


@pytest.mark.parametrize("weights", [1, 1025])
def test_reading_needs_no_values_of_large_weights(weights: int, write: Callable[..., Path]) -> None:
    file = write(
        f"g (float[N,{weights}] x) => (float[N,{weights}] y) {{ y = Add (x, w) }}",
        weights={"w": (weights,)},
    )
    (one,) = operators_of(file)
    assert one.weight_elements == (weights if weights > 1 else 0)


def test_a_transformer_has_its_products_and_normalizations(export: Callable[..., Path]) -> None:
    width, length, layers = 16, 6, 2
    layer = torch.nn.TransformerEncoderLayer(width, 2, 4 * width, batch_first=True)
    encoder = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    file = export(encoder, (length, width))
    found = totals(operators_of(file))
    products, macs, weights, *_ = found[Kind.MATMUL]
    assert products == layers * 6  # queries keys values, scores, mix, output, wide, narrow
    assert weights == layers * 12 * width * width
    assert macs == layers * (12 * width * width * length + 2 * length * length * width)
    assert found[Kind.NORMALIZATION][0] == 2 * layers
    assert found[Kind.SOFTMAX][4] == layers * 2 * length * length
    assert np.isclose(macs, count(file).macs)
