from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgedistill.app.renaming import with_input_names


def branching() -> onnx.ModelProto:
    """x and y, or x minus y where the sum of x is below 0: both branches look outside."""

    def branch(operator: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{operator}_out", TensorProto.FLOAT, [1, 3])
        node = helper.make_node(operator, ["x", "y"], [f"{operator}_out"])
        return helper.make_graph([node], operator, [], [out])

    zero = helper.make_node("Constant", [], ["zero"], value_float=0.0)
    nodes = [
        zero,
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("GreaterOrEqual", ["sum", "zero"], ["above"]),
        helper.make_node(
            "If", ["above"], ["out"], then_branch=branch("Add"), else_branch=branch("Sub")
        ),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy"]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(nodes, "branching", inputs, [output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    "names",
    [
        {"x": "a", "y": "b"},
        {"x": "y", "y": "x"},
        {"x": "x", "y": "y"},
        {"x": "sum", "y": "Add_out"},
        {"x": "out", "y": "out_"},
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_renamed_graph_computes_the_same(names: dict[str, str], sign: float) -> None:
    model = branching()
    before = model.SerializeToString()
    renamed = with_input_names(model, names)
    onnx.checker.check_model(renamed)
    x, y = sign * np.array([[1, 2, 3]], np.float32), np.array([[5, 7, 9]], np.float32)
    feed = {names.get("x", "x"): x, names.get("y", "y"): y}
    session = onnxruntime.InferenceSession(
        renamed.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (out,) = session.run(None, feed)
    np.testing.assert_array_equal(out, x + y if sign > 0 else x - y)
    assert model.SerializeToString() == before
