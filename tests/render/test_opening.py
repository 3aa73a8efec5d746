from __future__ import annotations

import ast

from edgedistill.core.opening import OpenedWith
from edgedistill.render.opening import opening_program, opening_words

TENSORRT = OpenedWith(
    provider="TensorrtExecutionProvider",
    threads=2,
    provider_options={"trt_int8_enable": "True"},
    graph_optimization="none",
)


def test_the_program_opens_it_as_the_target_does() -> None:
    program = opening_program(TENSORRT, "model.onnx")
    assert program is not None
    compile(program, "program", "exec")
    assert "options.intra_op_num_threads = 2" in program
    assert "GraphOptimizationLevel.ORT_DISABLE_ALL" in program
    assert "('TensorrtExecutionProvider', {'trt_int8_enable': 'True'})" in program
    assert "InferenceSession('model.onnx', options, providers=[provider])" in program
    plain = OpenedWith(provider="NnapiExecutionProvider", threads=1)
    assert "optimization" not in str(opening_program(plain, "model.onnx"))


def test_what_any_runtime_does_by_itself_needs_no_program() -> None:
    assert opening_program(None, "model.onnx") is None
    host = OpenedWith(provider="CPUExecutionProvider", threads=4)
    assert opening_program(host, "model.onnx") is None


def test_names_stay_literals() -> None:
    hostile = "x'); import os; os.abort()\n#"
    program = opening_program(TENSORRT.model_copy(update={"provider": hostile}), hostile)
    assert program is not None
    tree = ast.parse(program)
    assert [type(node) for node in tree.body] == [ast.Import, *[ast.Assign] * 5]
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert texts.count(hostile) == 2


def test_options_are_told_in_words() -> None:
    assert opening_words(TENSORRT) == "trt_int8_enable=True, no graph optimization"
    assert opening_words(OpenedWith(provider="p", threads=1)) == "no options"
