"""The steps that are left, against those that ONNX Runtime itself is left with.

Its NCHWc layout, which only x86 has, is switched off; everything else it does on any processor.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import onnx
import onnxruntime
import pytest

from edgedistill.core.operator_kind import MULTIPLYING, Kind
from edgedistill.cost import operators_of
from edgedistill.cost.fusions import RUNTIMES
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.cost.operators import Operator

RUNTIME_OPERATORS = {
    "product": ("Conv", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "MatMul"),
    Kind.SILU: ("QuickGelu",),
    Kind.GELU: ("FastGelu", "Gelu"),
    Kind.NORMALIZATION: (
        "LayerNormalization",
        "SimplifiedLayerNormalization",
        "SkipLayerNormalization",
    ),
    Kind.SIGMOID: ("Sigmoid", "Tanh", "Erf", "Softplus", "Elu"),
    Kind.HARD_SWISH: ("HardSigmoid",),
    Kind.RELU: ("Relu", "Clip", "LeakyRelu"),
    Kind.SOFTMAX: ("Softmax",),
    Kind.POOLING: ("ReduceMean", "GlobalAveragePool", "MaxPool"),
    Kind.MOVEMENT: ("Transpose", "Concat"),
    Kind.ELEMENTWISE: (
        "Add",
        "Mul",
        "Div",
        "Sub",
        "Pow",
        "Sqrt",
        "Reciprocal",
        "BatchNormalization",
    ),
    Kind.FREE: ("Reshape",),
}
NAMES = {op: kind for kind, ops in RUNTIME_OPERATORS.items() for op in ops}


def of_runtime(model: Path, folder: Path) -> Counter[str]:
    """Steps by kind after the runtime's own optimizers."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(
        str(model),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["NchwcTransformer"],
    )
    found: Counter[str] = Counter()
    for node in onnx.load(options.optimized_model_filepath).graph.node:
        found[NAMES[node.op_type]] += 1
        if node.op_type == "FusedConv" and len(node.input) == 4:
            found[Kind.ELEMENTWISE] += 1  # a sum that lists keep apart
    del found[Kind.FREE]
    return found


def of_ours(operators: tuple[Operator, ...]) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in operators:
        found["product" if one.kind in MULTIPLYING else one.kind] += 1
    del found[Kind.FREE]
    return found


PICTURE = "(float[1,3,8,8] x) => (float[1,8,8,8] y)"
CONVOLUTION = "c = Conv <pads=[1,1,1,1]> (x, w, b)"
SHORT = "d = Conv (x, w1, b)"
ROWS = "(float[1,5,8] x) => (float[1,5,8] y)"
ONE_ROW = "(float[1,8] x) => (float[1,8] y)"
PRODUCT = "p = MatMul (x, square) a = Add (p, b)"
HEADS = "(float[1,2,5,8] x, float[1,2,5,8] z) => (float[1,2,5,5] y)"
NUMBERS = (
    "<float zero={0.0}, float half={0.5}, float one={1.0}, float two={2.0}, float six={6.0}, "
    "float root={1.4142135}, float tiny={0.00001}, float three={3.0}, "
    "float cube={0.044714998453855515}, float inner={0.7978845834732056}>"
)
WEIGHTS = {
    "w": (8, 3, 3, 3),
    "w1": (8, 3, 1, 1),
    "b": (8,),
    "square": (8, 8),
    "scale": (8,),
    "by_channel": (1, 8, 1, 1),
}
ERF = "m = Div (a, root) e = Erf (m) o = Add (e, one)"
GATE = "z = Mul (h, o) y = Sub (z, x)"
CASES = {
    **{
        f"convolution, {op}": (PICTURE, f"{CONVOLUTION} y = {op} (c)")
        for op in ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Elu", "Softplus")
    },
    "convolution, clip": (PICTURE, f"{CONVOLUTION} y = Clip (c, zero, six)"),
    "convolution, SiLU": (PICTURE, f"{CONVOLUTION} s = Sigmoid (c) y = Mul (c, s)"),
    "convolution, batch norm, ReLU": (
        PICTURE,
        f"{CONVOLUTION} n = BatchNormalization (c, scale, b, b, scale) y = Relu (n)",
    ),
    "batch norm before a convolution": (
        "(float[1,8,8,8] x) => (float[1,8,8,8] y)",
        "n = BatchNormalization (x, scale, b, b, scale) r = Relu (n) y = Conv (r, deep)",
    ),
    "factor and summand by channel": (
        PICTURE,
        f"{CONVOLUTION} m = Mul (c, by_channel) a = Add (m, by_channel) y = Relu (a)",
    ),
    "residual sum, ReLU": (PICTURE, f"{SHORT} {CONVOLUTION} a = Add (c, d) y = Relu (a)"),
    "residual sum seen twice": (
        PICTURE,
        f"{SHORT} {CONVOLUTION} a = Add (c, d) r = Relu (a) y = Mul (r, a)",
    ),
    "SiLU before the residual sum": (
        PICTURE,
        f"{SHORT} {CONVOLUTION} s = Sigmoid (c) m = Mul (c, s) y = Add (m, d)",
    ),
    "squeeze and excite": (
        "(float[1,3,8,8] x) => (float[1,3,8,8] y)",
        "g = GlobalAveragePool (x) c = Conv (g, gate) s = Sigmoid (c) y = Mul (x, s)",
    ),
    "padding before a convolution": (
        PICTURE,
        "pads = Constant <value_ints=[0,0,1,1,0,0,1,1]> () p = Pad (x, pads) y = Conv (p, w)",
    ),
    **{
        f"product of one row, {op}": (ONE_ROW, f"{PRODUCT} y = {op} (a)")
        for op in ("Relu", "Sigmoid", "Elu", "Gelu")
    },
    "product of rows, ReLU": (ROWS, f"{PRODUCT} y = Relu (a)"),
    "product, batch norm": (
        ONE_ROW,
        "p = MatMul (x, square) y = BatchNormalization (p, scale, b, b, scale)",
    ),
    "GELU, half last": (ROWS, f"{PRODUCT} {ERF} t = Mul (a, o) y = Mul (t, half)"),
    "GELU, half first": (ROWS, f"{PRODUCT} {ERF} h = Mul (a, half) y = Mul (h, o)"),
    "GELU in an order nobody fuses": (ROWS, f"{PRODUCT} {ERF} h = Mul (o, half) y = Mul (a, h)"),
    "GELU by tanh of a power": (
        ROWS,
        f"{PRODUCT} h = Mul (a, half) p3 = Pow (a, three) q = Mul (p3, cube) r = Add (a, q) "
        f"k = Mul (r, inner) t = Tanh (k) o = Add (t, one) {GATE}",
    ),
    "GELU by tanh of products": (
        ROWS,
        f"{PRODUCT} h = Mul (a, half) q = Mul (a, cube) r = Mul (a, q) f = Add (r, one) "
        f"k = Mul (a, inner) l = Mul (k, f) t = Tanh (l) o = Add (t, one) {GATE}",
    ),
    "GELU by tanh, half last": (
        ROWS,
        f"{PRODUCT} p3 = Pow (a, three) q = Mul (p3, cube) r = Add (a, q) k = Mul (r, inner) "
        "t = Tanh (k) o = Add (t, one) u = Mul (a, o) y = Mul (u, half)",
    ),
    "sum, layer norm": (ROWS, f"{PRODUCT} t = Add (x, a) y = LayerNormalization (t, scale, b)"),
    "sum seen twice, layer norm": (
        ROWS,
        f"{PRODUCT} t = Add (x, a) n = LayerNormalization (t, scale, b) y = Mul (n, t)",
    ),
    "layer norm by parts": (
        ROWS,
        "axes = Constant <value_ints=[-1]> () m = ReduceMean (x, axes) d = Sub (x, m) "
        "p = Pow (d, two) v = ReduceMean (p, axes) w2 = Add (v, tiny) r = Sqrt (w2) "
        "n = Div (d, r) o = Mul (n, scale) y = Add (o, b)",
    ),
    "RMS norm by parts": (
        ROWS,
        "axes = Constant <value_ints=[-1]> () p = Pow (x, two) v = ReduceMean (p, axes) "
        "w2 = Add (v, tiny) r = Sqrt (w2) n = Div (x, r) y = Mul (n, scale)",
    ),
    "RMS norm by a reciprocal, which nobody fuses": (
        ROWS,
        "axes = Constant <value_ints=[-1]> () p = Pow (x, two) v = ReduceMean (p, axes) "
        "w2 = Add (v, tiny) r = Sqrt (w2) i = Reciprocal (r) n = Mul (x, i) y = Mul (n, scale)",
    ),
    "scores": (
        HEADS,
        "t = Transpose <perm=[0,1,3,2]> (z) u = Mul (x, half) v = Mul (t, half) "
        "s = MatMul (u, v) y = Softmax (s)",
    ),
    "scores, divided after": (
        HEADS,
        "t = Transpose <perm=[0,1,3,2]> (z) s = MatMul (x, t) d = Div (s, two) y = Softmax (d)",
    ),
    "shuffled channels": (
        "(float[1,4,8,8] x) => (float[1,4,8,8] y)",
        "s = Constant <value_ints=[1,2,2,8,8]> () t = Constant <value_ints=[1,4,8,8]> () "
        "p = Reshape (x, s) q = Transpose <perm=[0,2,1,3,4]> (p) y = Reshape (q, t)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_left_is_what_the_runtime_is_left_with(
    name: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    ends, body = CASES[name]
    used = {"deep": (8, 8, 1, 1), "gate": (3, 3, 1, 1), **WEIGHTS}
    file = write(f"g {ends} {NUMBERS} {{ {body} }}", weights=used, opset='"" : 20')
    assert of_ours(operators_of(file)) == of_runtime(file, tmp_path)


def test_a_residual_sum_takes_in_its_activation_even_where_norms_shift_by_zero(
    write: Callable[..., Path],
) -> None:
    body = "d = Conv (x, w1) c = Conv <pads=[1,1,1,1]> (x, w) a = Add (c, d) y = Relu (a)"
    kinds = [one.kind for one in operators_of(write(f"g {PICTURE} {{ {body} }}", weights=WEIGHTS))]
    assert kinds == [Kind.POINTWISE, Kind.CONV_3X3, Kind.ELEMENTWISE]


def test_hard_swish_is_one_operator_as_in_published_lists(write: Callable[..., Path]) -> None:
    whole = write(f"g {PICTURE} {{ {CONVOLUTION} y = HardSwish (c) }}", weights=WEIGHTS)
    operators = operators_of(whole)
    parts = write(
        f"g {PICTURE} {{ {CONVOLUTION} h = HardSigmoid <alpha=0.166667> (c) y = Mul (c, h) }}",
        weights=WEIGHTS,
    )
    assert operators_of(parts) == operators
    assert [one.kind for one in operators] == [Kind.CONV_3X3, Kind.HARD_SWISH]


@pytest.mark.parametrize(
    ("runtime", "left"),
    [("onnxruntime-cpu", 0), ("ncnn", 0), ("tflite", 1), ("armnn", 1), ("xnnpack", 1)],
)
def test_runtimes_differ_in_what_they_fuse(
    runtime: str, left: int, write: Callable[..., Path]
) -> None:
    file = write(f"g {PICTURE} {{ {CONVOLUTION} y = Sigmoid (c) }}", weights=WEIGHTS)
    assert runtime in RUNTIMES
    assert len(operators_of(file, runtime=runtime)) == 1 + left


def test_an_unknown_runtime_is_told_with_those_that_are_known(
    write: Callable[..., Path],
) -> None:
    file = write(f"g {PICTURE} {{ y = Conv <pads=[1,1,1,1]> (x, w) }}", weights=WEIGHTS)
    with pytest.raises(InputError, match=r"runtime.*given: mystery.*onnxruntime-cpu, ncnn"):
        operators_of(file, runtime="mystery")
