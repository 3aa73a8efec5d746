from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from edgedistill.cost.graph_memory import GEMM_PANEL_BYTES, Weights, count_memory
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INPUT = 4 * 3 * 8 * 8


def activations(path: Path) -> int:
    return count_memory(path).activations_peak_bytes


def graph(body: str, *, output: str = "float[N,3,8,8] out") -> str:
    return f"g (float[N,3,8,8] input) => ({output}) {{ {body} }}"


@pytest.mark.parametrize(
    ("body", "tensors"),
    [
        # input, a, out; the second operator writes over a, but an output has memory of its own
        ("a = Sin (input) out = Relu (a)", 3),
        ("a = Sin (input) b = Relu (a) out = Sin (b)", 3),
        ("a = Sin (input) b = Softmax (a) c = Tanh (b) out = Sin (c)", 3),
        ("a = Sin (input) b = Exp (a) out = Sin (b)", 3),
        # a sum is not computed in place
        ("a = Sin (input) b = Sin (a) c = Add (a, b) out = Sin (c)", 4),
        ("a = Sin (input) b = Flatten (a) c = Relu (b) d = Sin (c) out = Reshape (d, s)", 3),
        ("a = Sin (input) b = Sigmoid (a) c = Mul (a, b) out = Sin (c)", 3),
        ("a = Sin (input) b = Dropout (a) out = Sin (b)", 3),
        # no kernel of its own: a hard sigmoid and a product
        ("a = Sin (input) b = HardSwish (a) out = Sin (b)", 4),
    ],
)
def test_the_worst_moment_in_tensors_of_one_size(
    write: Callable[..., Path], body: str, tensors: int
) -> None:
    path = write(graph(body))
    model = onnx.load_model(path)
    shape = np.array([1, 3, 8, 8])
    model.graph.initializer.append(onnx.numpy_helper.from_array(shape, "s"))
    onnx.save_model(model, path)
    assert activations(path) == tensors * INPUT


def test_a_concatenation_counts_its_parts_and_the_whole(write: Callable[..., Path]) -> None:
    body = "a = Sin (input) b = Exp (input) out = Concat <axis=1> (a, b)"
    path = write(graph(body, output="float[N,6,8,8] out"))
    found = count_memory(path)
    assert found.activations_peak_bytes == 5 * INPUT
    assert found.peak_at == "out"


@pytest.mark.parametrize(
    ("weight", "attributes", "scratch"),
    [
        ((3, 3, 1, 1), "", 0),
        ((3, 3, 3, 3), "pads=[1,1,1,1]", GEMM_PANEL_BYTES),
        # more filters than pixels: the whole column matrix
        ((65, 3, 3, 3), "pads=[1,1,1,1]", 4 * 3 * 9 * 64),
    ],
)
def test_convolutions_have_the_scratch_memory_of_their_algorithm(
    write: Callable[..., Path], weight: tuple[int, ...], attributes: str, scratch: int
) -> None:
    filters = weight[0]
    text = graph(f"out = Conv <{attributes}> (input, w)", output=f"float[N,{filters},8,8] out")
    path = write(text.replace("<>", ""), weights={"w": weight})
    assert activations(path) == INPUT + 4 * filters * 64 + scratch


QDQ = """g (float[N,16,8,8] input) => (float[N,16,8,8] out) {
    s = Constant <value = float {0.1}> ()
    z = Constant <value = uint8 {0}> ()
    q0 = QuantizeLinear (input, s, z)
    d0 = DequantizeLinear (q0, s, z)
    wd = DequantizeLinear (w, s)
    conv = Conv <pads=[1,1,1,1]> (d0, wd)
    q1 = QuantizeLinear (conv, s, z)
    d1 = DequantizeLinear (q1, s, z)
    ve = DequantizeLinear (v, s)
    two = Conv <pads=[1,1,1,1]> (d1, ve)
    q2 = QuantizeLinear (two, s, z)
    out = DequantizeLinear (q2, s, z)
}"""


def test_an_int8_graph_holds_one_byte_numbers_between_its_quantizers(
    write: Callable[..., Path],
) -> None:
    path = write(QDQ)
    model = onnx.load_model(path)
    for name in ("w", "v"):
        values = np.ones((16, 16, 3, 3), np.int8)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    onnx.save_model(model, path)
    found = count_memory(path)
    numbers = 16 * 64
    pointers = 8 * 9 * 64  # one a pixel under the kernel
    # the caller's input, one tensor in and one out, or the last one and the float output
    assert found.activations_peak_bytes == 4 * numbers + 2 * numbers + pointers
    assert found.peak_at in ("conv", "two")
    # the two scales and zero points: a float and a byte
    assert found.weights == Weights(
        convolution_bytes=0, matrix_bytes=0, quantized_bytes=2 * 16 * 16 * 9 + 1, other_bytes=4
    )


def test_weights_count_once_by_who_reads_them_first_and_only_if_somebody_does(
    write: Callable[..., Path],
) -> None:
    body = (
        "a = Conv <pads=[1,1,1,1]> (input, w, b) c = Conv <pads=[1,1,1,1]> (a, w) d = Add (c, k) "
        "m = MatMul (d, v) e = Constant <value = float[3,1,1] {1.0, 2.0, 3.0}> () out = Mul (m, e)"
    )
    weights = {"w": (3, 3, 3, 3), "b": (3,), "v": (8, 8), "k": (3, 1, 1), "unread": (1000,)}
    found = count_memory(write(graph(body), weights=weights))
    assert found.weights == Weights(
        convolution_bytes=4 * (81 + 3), matrix_bytes=4 * 64, quantized_bytes=0, other_bytes=4 * 6
    )
    assert found.weights.total_bytes == 4 * (84 + 64 + 6)
    assert found.nodes == 6


def test_a_batch_axis_counts_as_one_and_other_open_axes_must_be_given(
    write: Callable[..., Path],
) -> None:
    path = write("g (float[N,L] input) => (float[N,L] out) { out = Sin (input) }")
    with pytest.raises(InputError, match="axis 1 of this input has no size"):
        count_memory(path)
    assert count_memory(path, input_shapes={"input": (50,)}).activations_peak_bytes == 2 * 200
