from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from edgedistill.errors import InputError, PromiseError
from edgedistill.models.signature import Signature
from edgedistill.stages.export.graph import finish, require_inference, usable_opset

SIGNATURE = Signature({"pixels": (4,)}, classes=4)


def model(*nodes: onnx.NodeProto, inputs: str = "x", output: str = "y") -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "torch_graph",
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n", "c"]) for x in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize(
    ("wanted", "max_opset", "max_ir_version", "usable"),
    [
        (20, 23, 11, 20),
        (23, 20, 10, 20),
        (22, 23, 9, 20),  # opset 21 needs IR version 10
        (20, 21, 8, 18),  # opset 19 needs IR version 9
    ],
)
def test_the_opset_is_lowered_to_what_the_runtime_accepts(
    wanted: int, max_opset: int, max_ir_version: int, usable: int
) -> None:
    found = usable_opset(wanted, max_opset=max_opset, max_ir_version=max_ir_version)

    assert found == usable


@pytest.mark.parametrize(("max_opset", "max_ir_version"), [(17, 10), (20, 7)])
def test_a_runtime_that_is_too_old_is_refused(max_opset: int, max_ir_version: int) -> None:
    with pytest.raises(InputError, match="oldest opset that can be written is 18"):
        usable_opset(20, max_opset=max_opset, max_ir_version=max_ir_version)


def finished(given: onnx.ModelProto, *, static: bool = False) -> onnx.ModelProto:
    finish(given, SIGNATURE, static=static, max_ir_version=9, metadata={"b": "2", "a": "1"})
    onnx.checker.check_model(given, full_check=True)
    return given


def shape(value: onnx.ValueInfoProto) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_names_shapes_and_metadata_are_what_was_asked() -> None:
    given = finished(model(helper.make_node("Relu", ["x"], ["y"])))

    assert [(x.name, shape(x)) for x in given.graph.input] == [("pixels", ["batch", 4])]
    assert [(x.name, shape(x)) for x in given.graph.output] == [("logits", ["batch", 4])]
    assert given.ir_version == 9
    assert [(entry.key, entry.value) for entry in given.metadata_props] == [("a", "1"), ("b", "2")]
    assert shape(
        finished(model(helper.make_node("Relu", ["x"], ["y"])), static=True).graph.input[0]
    ) == [1, 4]


def test_an_inner_value_that_is_called_as_the_output_makes_room() -> None:
    given = model(
        helper.make_node("Relu", ["x"], ["logits"]), helper.make_node("Abs", ["logits"], ["y"])
    )

    finished(given)

    assert [list(node.output) for node in given.graph.node] == [["logits_inner"], ["logits"]]


def test_names_are_followed_into_branches() -> None:
    def branch(name: str, operator: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        node = helper.make_node(operator, ["x"], [name], doc_string="File /home/someone/net.py")
        return helper.make_graph([node], name, [], [out], doc_string="/home/someone")

    condition = helper.make_node(
        "Constant", [], ["c"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True])
    )
    choose = helper.make_node(
        "If", ["c"], ["y"], then_branch=branch("a", "Relu"), else_branch=branch("b", "Abs")
    )

    given = finished(model(condition, choose))

    assert b"/home/someone" not in given.SerializeToString()
    inner = [attribute.g.node[0].input[0] for attribute in given.graph.node[1].attribute]
    assert inner == ["pixels", "pixels"]


def test_what_the_exporter_noted_down_is_dropped() -> None:
    given = model(helper.make_node("Relu", ["x"], ["y"], doc_string="File /home/someone/net.py"))
    given.producer_name, given.producer_version = "pytorch", "2.13.0+cpu"
    given.doc_string = given.graph.doc_string = "/home/someone"
    given.graph.node[0].metadata_props.add(key="stack_trace", value="/home/someone/net.py")
    given.graph.metadata_props.add(key="signature", value="/home/someone/net.py")
    given.graph.input[0].metadata_props.add(key="kind", value="/home/someone")
    given.metadata_props.add(key="exporter", value="/home/someone")
    given.graph.value_info.add(name="z")

    written = finished(given).SerializeToString()

    assert b"/home/someone" not in written
    assert b"pytorch" not in written
    assert not given.graph.value_info


def test_two_inputs_where_one_was_promised_are_refused() -> None:
    given = model(helper.make_node("Add", ["x", "w"], ["y"]), inputs="xw")

    with pytest.raises(PromiseError, match="2 inputs and 1 outputs"):
        finished(given)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("BatchNormalization", list("xabcd"), ["y", "m", "v"], training_mode=1),
        helper.make_node("Dropout", ["x", "ratio", "training"], ["y"]),
        helper.make_node("RandomNormalLike", ["x"], ["y"]),
    ],
    ids=lambda node: node.op_type,
)
def test_a_graph_that_still_trains_is_refused(node: onnx.NodeProto) -> None:
    with pytest.raises(PromiseError, match=f"operator {node.op_type}"):
        require_inference(model(node))


def test_a_graph_that_only_infers_passes() -> None:
    require_inference(model(helper.make_node("BatchNormalization", list("xabcd"), ["y"])))
    require_inference(model(helper.make_node("Dropout", ["x"], ["y"])))
