from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from edgedistill.cost.execution import execution_order, fuse_sums
from edgedistill.cost.graph_operators import fused_flow
from edgedistill.cost.model_file import load_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.cost.steps import Flow

BRANCHES = {
    "branches that cross": """a = Exp (input)
        b = Neg (input)
        c = Abs (a)
        left = Sin (input)
        d = Concat <axis=1> (b, c)
        e = Erf (b)
        f = Concat <axis=1> (e, b)
        out = Sum (d, f)""",
    "a long branch before a short one": """a = Exp (input)
        b = Abs (a)
        c = Sqrt (b)
        d = Neg (input)
        left = Sin (c)
        out = Concat <axis=1> (c, d)""",
    "a short branch before a long one": """d = Neg (input)
        a = Exp (input)
        b = Abs (a)
        c = Sqrt (b)
        left = Sin (d)
        out = Concat <axis=1> (d, c)""",
}


def executed(path: Path, folder: Path) -> list[str]:
    """The nodes in the order in which the runtime really executes them, unoptimized."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = {one.name: np.ones(one.shape, np.float32) for one in session.get_inputs()}
    session.run(None, feeds)
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    ending = "_kernel_time"
    return [one["name"][: -len(ending)] for one in events if one["name"].endswith(ending)]


def flow_of(path: Path) -> Flow:
    return fused_flow(load_model(path), path)


@pytest.mark.parametrize("body", BRANCHES.values(), ids=BRANCHES)
def test_the_order_is_that_in_which_the_runtime_executes(
    write: Callable[..., Path], tmp_path: Path, body: str
) -> None:
    outputs = "float[1,4,6,6] left, float[1,8,6,6] out"
    path = write(f"g (float[1,4,6,6] input) => ({outputs}) {{ {body} }}")
    model = onnx.load_model(path)
    for place, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{place}"
    onnx.save_model(model, path)
    assert [step.node.name for step in execution_order(flow_of(path))] == executed(path, tmp_path)


RESIDUAL = """g (float[N,4,6,6] input) => (float[N,4,6,6] out) {
    stem = Conv <pads=[1,1,1,1]> (input, w, b)
    a = Conv <pads=[1,1,1,1]> (stem, w, b)
    TAIL
}"""


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("c = Add (a, stem) out = Sin (c)", ["Conv", "FusedConv", "Sin"]),
        ("c = Add (stem, a) d = Relu (c) out = Sin (d)", ["Conv", "FusedConv", "Sin"]),
        ("d = Relu (a) c = Add (d, stem) out = Sin (c)", ["Conv", "Conv", "Add", "Sin"]),
        ("c = Add (a, stem) out = Mul (c, a)", ["Conv", "Conv", "Add", "Mul"]),
        ("m = ReduceMax (stem) c = Add (a, m) out = Sin (c)", None),
    ],
)
def test_a_sum_that_alone_reads_a_convolution_is_part_of_it(
    write: Callable[..., Path], tail: str, expected: list[str] | None
) -> None:
    path = write(RESIDUAL.replace("TAIL", tail), weights={"w": (4, 4, 3, 3), "b": (4,)})
    flow = flow_of(path)
    fuse_sums(flow)
    found = [step.op for step in execution_order(flow)]
    assert found == expected if expected else "FusedConv" not in found


def test_a_convolution_without_a_bias_takes_in_no_sum(write: Callable[..., Path]) -> None:
    text = RESIDUAL.replace("TAIL", "c = Add (a, stem) out = Sin (c)").replace(", b)", ")")
    flow = flow_of(write(text, weights={"w": (4, 4, 3, 3)}))
    fuse_sums(flow)
    assert [step.op for step in execution_order(flow)] == ["Conv", "Conv", "Add", "Sin"]


def test_a_fused_sum_reads_the_other_summand_first(write: Callable[..., Path]) -> None:
    text = RESIDUAL.replace("TAIL", "c = Add (a, stem) out = Sin (c)")
    flow = flow_of(write(text, weights={"w": (4, 4, 3, 3), "b": (4,)}))
    fuse_sums(flow)
    (fused,) = flow.of("FusedConv")
    assert (fused.inputs, fused.outputs) == (("stem", "stem", "w", "b"), ("c",))
