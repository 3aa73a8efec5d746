from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from edgedistill.cost.execution import executed
from edgedistill.cost.model_file import load_model

if TYPE_CHECKING:
    from collections.abc import Callable

BRANCHES = """g (float[1,4,6,6] input) => (float[1,4,6,6] left, float[1,8,6,6] out) {
    stem = MaxPool <kernel_shape=[1,1]> (input)
    a = Exp (stem)
    b = Neg (stem)
    c = Abs (a)
    left = Sin (stem)
    d = Concat <axis=1> (b, c)
    e = Erf (b)
    f = Concat <axis=1> (e, b)
    out = Add (d, f)
}"""


def ran(path: Path, tmp_path: Path) -> list[str]:
    """The nodes in the order in which the runtime really executes them, unoptimized."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = {one.name: np.ones(one.shape, np.float32) for one in session.get_inputs()}
    session.run(None, feeds)
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    ending = "_kernel_time"
    return [one["name"][: -len(ending)] for one in events if one["name"].endswith(ending)]


def names(path: Path) -> list[str]:
    return [one.node.op_type for one in executed(load_model(path).graph)]


def test_the_order_is_that_in_which_the_runtime_executes(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write(BRANCHES)
    model = onnx.load_model(path)
    for place, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{place}"
    onnx.save_model(model, path)
    ours = [one.node.name for one in executed(load_model(path).graph)]
    assert ours == ran(path, tmp_path)
    assert ours != [node.name for node in model.graph.node]


QUANTIZED = """g (float[1,4,6,6] input) => (float[1,4,6,6] out) {
    s = Constant <value = float {0.1}> ()
    z = Constant <value = uint8 {0}> ()
    q0 = QuantizeLinear (input, s, z)
    d0 = DequantizeLinear (q0, s, z)
    wd = DequantizeLinear (w, s)
    conv = Conv <pads=[1,1,1,1]> (d0, wd)
    relu = Relu (conv)
    q1 = QuantizeLinear (relu, s, z)
    d1 = DequantizeLinear (q1, s, z)
    TAIL
}"""


def test_a_convolution_between_quantizers_reads_and_writes_one_byte_numbers(
    write: Callable[..., Path],
) -> None:
    path = write(QUANTIZED.replace("TAIL", "out = Sin (d1)"), weights={"w": (4, 4, 3, 3)})
    model = onnx.load_model(path)
    model.graph.initializer[0].CopyFrom(
        onnx.numpy_helper.from_array(np.ones((4, 4, 3, 3), np.int8), "w")
    )
    onnx.save_model(model, path)
    found = executed(load_model(path).graph)
    assert [one.node.op_type for one in found] == [
        "QuantizeLinear",
        "Conv",
        "DequantizeLinear",
        "Sin",
    ]
    conv = found[1]
    assert (conv.reads, conv.writes, conv.quantized) == (("q0",), ("q1",), True)


def test_an_operator_with_a_float_neighbour_stays_float(write: Callable[..., Path]) -> None:
    text = QUANTIZED.replace("relu = Relu (conv)", "relu = Sin (conv)")
    path = write(text.replace("TAIL", "out = Sin (d1)"), weights={"w": (4, 4, 3, 3)}, dtype="int8")
    assert names(path) == [
        "QuantizeLinear",
        "DequantizeLinear",
        "Conv",
        "Sin",
        "QuantizeLinear",
        "DequantizeLinear",
        "Sin",
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a = Sigmoid (input) out = Mul (input, a)", ["Sigmoid"]),
        ("a = Sigmoid (input) out = Mul (a, input)", ["Sigmoid"]),
        ("a = Sigmoid (input) b = Sin (input) out = Mul (a, b)", ["Sin", "Sigmoid", "Mul"]),
        ("a = Sigmoid (input) b = Mul (a, input) out = Add (a, b)", ["Sigmoid", "Mul", "Add"]),
        ("a = MatMul (input, w) out = Add (a, v)", ["MatMul"]),
        ("a = MatMul (input, w) b = Mul (a, v) out = Sin (b)", ["MatMul", "Sin"]),
        ("a = MatMul (input, input) out = Add (a, v)", ["MatMul", "Add"]),
        ("a = MatMul (input, w) out = Add (a, input)", ["MatMul", "Add"]),
        ("a = Add (w, v) b = Exp (a) out = Mul (input, b)", ["Mul"]),
        ("a = Shape (input) out = Reshape (input, a)", ["Shape", "Reshape"]),
    ],
)
def test_what_the_runtime_joins_or_computes_beforehand_is_one_operator_or_none(
    write: Callable[..., Path], body: str, expected: list[str]
) -> None:
    text = f"g (float[4,4] input) => (float[4,4] out) {{ {body} }}"
    path = write(text, weights={"w": (4, 4), "v": (4,)})
    assert names(path) == expected


def test_joined_operators_read_once_what_both_read(write: Callable[..., Path]) -> None:
    path = write("g (float[4] input) => (float[4] out) { a=Sigmoid(input) out=Mul(a, input) }")
    (one,) = executed(load_model(path).graph)
    assert (one.reads, one.writes) == (("input",), ("out",))


def test_a_fused_operator_that_is_an_output_stays_itself(write: Callable[..., Path]) -> None:
    text = "g (float[4] input) => (float[4] a, float[4] out) { a=Sigmoid(input) out=Mul(a, input) }"
    assert names(write(text)) == ["Sigmoid", "Mul"]
