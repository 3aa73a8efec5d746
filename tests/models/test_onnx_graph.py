from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.core.teacher import Model
from edgedistill.errors import InputError
from edgedistill.models import GraphModule, Signature, build, fingerprint, has_weights
from edgedistill.models.onnx_graph import SMALLEST, construct

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]
    Array = np.ndarray[Any, Any]

SHAPE = (1, 4, 4)
SIGNATURE = Signature({"input": SHAPE}, 3)
WEIGHT = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
INPUTS = np.random.default_rng(1).integers(0, 9, size=(5, *SHAPE)).astype(np.float32)
LOGITS = INPUTS.reshape(5, 16) @ WEIGHT


@pytest.fixture
def linear(onnx_classifier: Write, tmp_path: Path) -> Write:
    """Writes the classifier whose logits on INPUTS are LOGITS, varied as asked."""

    def write(weight: Array = WEIGHT, shape: tuple[int, ...] = SHAPE, **more: Any) -> Path:
        return onnx_classifier(tmp_path / "linear.onnx", weight, shape, **more)

    return write


def _answers(path: Path, inputs: Array = INPUTS, signature: Signature = SIGNATURE) -> Array:
    answer: Array = construct(path, signature, field="teacher")(torch.from_numpy(inputs)).numpy()
    return answer


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


@pytest.mark.parametrize("name", ["input", "pixels"])
@pytest.mark.parametrize("batch", ["batch", 1])
def test_it_answers_as_the_formula_does(linear: Write, name: str, batch: str | int) -> None:
    answers = _answers(linear(name=name, batch=batch))
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, LOGITS, rtol=1e-5)


@pytest.mark.parametrize(
    "behind", [(), ("Identity",), ("Identity", "Identity")], ids=["last", "one", "two"]
)
def test_probabilities_become_their_logarithm(linear: Write, behind: tuple[str, ...]) -> None:
    answers = _answers(linear(ends_in=("Softmax", *behind)))
    np.testing.assert_allclose(answers, np.log(_softmax(LOGITS)), rtol=1e-4, atol=1e-4)


def test_a_probability_of_zero_has_a_finite_logarithm(linear: Write) -> None:
    answers = _answers(linear(weight=WEIGHT * 1e3, ends_in=("Softmax",)))
    assert answers.min() == np.float32(np.log(SMALLEST))
    assert np.isfinite(answers).all()


def test_what_a_log_softmax_gives_are_logits(linear: Write) -> None:
    path = linear(ends_in=("LogSoftmax",))
    assert not construct(path, SIGNATURE, field="teacher").probabilities
    np.testing.assert_allclose(_answers(path), np.log(_softmax(LOGITS)), rtol=1e-4, atol=1e-4)


def test_a_softmax_inside_a_function_of_the_file_is_seen(linear: Write) -> None:
    path = linear(ends_in=("Mine",))
    model = onnx.load(path)
    model.graph.node[-1].domain = "own"
    imports = [helper.make_opsetid("", 13)]
    node = helper.make_node("Softmax", ["x"], ["y"])
    model.functions.append(helper.make_function("own", "Mine", ["x"], ["y"], [node], imports))
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.ir_version = 8
    onnx.save(model, path)
    np.testing.assert_allclose(_answers(path), np.log(_softmax(LOGITS)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "kind",
    [
        TensorProto.FLOAT16,
        TensorProto.DOUBLE,
        TensorProto.UINT8,
        TensorProto.INT32,
        TensorProto.INT64,
    ],
    ids=TensorProto.DataType.Name,
)
def test_inputs_are_cast_as_the_graph_says(linear: Write, kind: int) -> None:
    np.testing.assert_allclose(_answers(linear(takes=kind)), LOGITS, rtol=1e-5)


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, np.nan])
def test_values_that_a_whole_number_cannot_hold_are_refused(linear: Write, value: float) -> None:
    inputs = INPUTS.copy()
    inputs[3, 0, 2, 1] = value
    with pytest.raises(InputError, match=rf"takes uint8, .*given: pixels: {value:g}\)"):
        _answers(linear(takes=TensorProto.UINT8), inputs)


def _difference(path: Path, names: tuple[str, str]) -> Path:
    """Logits are the first input minus the second, both [batch, 3]."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in names]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    node = helper.make_node("Sub", list(names), ["y"])
    graph = helper.make_graph([node], "difference", inputs, [output])
    onnx.save(
        helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", 13)]), path
    )
    return path


@pytest.mark.parametrize(
    ("names", "sign"),
    [(("a", "b"), 1), (("b", "a"), -1), (("x", "y0"), 1), (("x", "a"), -1)],
    ids=["by-name", "by-name-turned", "by-position", "one-by-name"],
)
def test_several_inputs_meet_by_name_then_by_position(
    tmp_path: Path, names: tuple[str, str], sign: int
) -> None:
    signature = Signature({"a": (3,), "b": (3,)}, 3)
    module = construct(_difference(tmp_path / "d.onnx", names), signature, field="teacher")
    a, b = torch.randn(2, 4, 3)
    assert torch.equal(module(a, b), sign * (a - b))


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (Signature({"input": (4, 4, 1)}, 3), r"given: pixels float \[batch, 1, 4, 4\]"),
        (Signature({"input": (16,)}, 3), r"\(input \[batch, 16\]; a batch of 1"),
        (Signature({"a": SHAPE, "b": SHAPE}, 3), r"given: pixels\)"),
        (Signature({"input": SHAPE}, 10), "gives 3 outputs, but the data has 10 classes"),
    ],
)
def test_a_graph_that_does_not_fit_the_data_is_refused(
    linear: Write, signature: Signature, message: str
) -> None:
    model = Model(source=f"onnx:{linear()}")
    with pytest.raises(InputError, match=message) as caught:
        build(model, signature, base=linear().parent, seed=0, field="teacher")
    assert caught.value.faults[0].field == "teacher.source"


@pytest.mark.parametrize("more", [{"batch": 2}, {"takes": TensorProto.BOOL}])
def test_a_fixed_batch_and_a_foreign_type_are_refused(linear: Write, more: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="does not take the data's inputs"):
        construct(linear(**more), SIGNATURE, field="teacher")


@pytest.mark.parametrize(
    ("operator", "kind", "found"),
    [
        ("ArgMax", TensorProto.INT64, r"out_1: int64 \[2, 1\] for"),
        ("Shape", TensorProto.INT64, r"out_1: int64 \[2\] for"),
        ("Flatten", TensorProto.FLOAT, r"out_1: float32 \[1, 6\] for"),
        ("SequenceConstruct", None, r"out_1: list for"),
    ],
)
def test_a_first_output_that_is_no_answer_is_refused(
    linear: Write, operator: str, kind: int | None, found: str
) -> None:
    path = linear(ends_in=(operator,))
    model = onnx.load(path)
    if operator == "Flatten":
        model.graph.node[-1].attribute.append(helper.make_attribute("axis", 0))
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("out_1", kind, ["a"] if operator == "Shape" else ["a", "b"])
        if kind
        else helper.make_tensor_sequence_value_info("out_1", TensorProto.FLOAT, None)
    )
    if operator == "ArgMax":
        model.graph.node[-1].attribute.append(helper.make_attribute("axis", 1))
    onnx.save(model, path)
    with pytest.raises(InputError, match=f"first output is not logits .*given: {found}"):
        build(Model(source=f"onnx:{path}"), SIGNATURE, base=path.parent, seed=0, field="teacher")


def test_probabilities_without_a_softmax_are_refused(linear: Write) -> None:
    """A softmax written out as Exp, ReduceSum and Div."""
    path = linear(ends_in=("Exp",))
    model = onnx.load(path)
    axes = numpy_helper.from_array(np.array([1]), "axes")
    model.graph.initializer.append(axes)
    model.graph.node.append(helper.make_node("ReduceSum", ["out_1", "axes"], ["sum"]))
    model.graph.node.append(helper.make_node("Div", ["out_1", "sum"], ["share"]))
    model.graph.output[0].name = "share"
    onnx.save(model, path)
    with pytest.raises(InputError, match="its answers are probabilities, and the graph does not"):
        build(Model(source=f"onnx:{path}"), SIGNATURE, base=path.parent, seed=0)


def test_an_operator_that_the_runtime_does_not_know_is_told(linear: Write) -> None:
    path = linear(ends_in=("Unheard",))
    model = onnx.load(path)
    model.graph.node[-1].domain = "of.nobody"
    model.opset_import.append(helper.make_opsetid("of.nobody", 1))
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"onnxruntime cannot load it .*Unheard"):
        _answers(path)


def test_a_graph_that_fixes_the_batch_inside_is_told(linear: Write) -> None:
    path = linear(ends_in=("Reshape",))
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 3]), "one"))
    model.graph.node[-1].input.append("one")
    onnx.save(model, path)
    with pytest.raises(InputError, match="does not run on the data's inputs"):
        build(Model(source=f"onnx:{path}"), SIGNATURE, base=path.parent, seed=0)


def test_it_has_nothing_to_train_and_gives_no_gradient(linear: Write) -> None:
    module = construct(linear(), SIGNATURE, field="teacher")
    inputs = torch.from_numpy(INPUTS).requires_grad_()
    assert not list(module.parameters())
    assert not module.state_dict()
    assert not module(inputs).requires_grad
    assert has_weights(Model(source=f"onnx:{linear()}"), base=linear().parent)


def test_a_copy_answers_alike_with_the_threads_torch_has_then(linear: Write) -> None:
    module = construct(linear(), SIGNATURE, field="teacher")
    before = module(torch.from_numpy(INPUTS))
    copied = copy.deepcopy(module)
    torch.set_num_threads(2)
    try:
        assert torch.equal(copied(torch.from_numpy(INPUTS)), before)
        assert torch.equal(module(torch.from_numpy(INPUTS)), before)
    finally:
        torch.set_num_threads(1)
    assert isinstance(copied, GraphModule)
    assert copied.content is module.content


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"args": {"width": 3}}, r"teacher\.args: an ONNX file holds its weights and takes no"),
        ({"weights": "w.safetensors"}, r"teacher\.weights: an ONNX file holds its weights"),
    ],
)
def test_arguments_and_weights_are_refused(
    linear: Write, more: dict[str, Any], message: str
) -> None:
    path = linear()
    model = Model(source=f"onnx:{path}", **more)
    with pytest.raises(InputError, match=message):
        fingerprint(model, base=path.parent, field="teacher")
    with pytest.raises(InputError, match=message):
        build(model, SIGNATURE, base=path.parent, seed=0, field="teacher")


def test_a_preprocessing_that_the_file_declares_must_be_the_datas(linear: Write) -> None:
    declared = Preprocessing(scale=0.5)
    path = linear(metadata={METADATA_KEY: declared.model_dump_json()})
    model = Model(source=f"onnx:{path}")
    build(model, SIGNATURE, base=path.parent, seed=0, preprocessing=declared)
    with pytest.raises(InputError, match=r"preprocessing \(scale 0\.5 where the data has 1\.0"):
        build(model, SIGNATURE, base=path.parent, seed=0, preprocessing=Preprocessing())
    path = linear(metadata={METADATA_KEY: "{"})
    with pytest.raises(InputError, match=f"metadata {METADATA_KEY} cannot be read"):
        build(model, SIGNATURE, base=path.parent, seed=0, preprocessing=declared)


def test_the_fingerprint_is_of_the_bytes_wherever_they_lie(linear: Write) -> None:
    path = linear()

    def of(file: Path) -> str:
        return fingerprint(Model(source=f"onnx:{file.name}"), base=file.parent, field="teacher")

    first = of(path)
    other = path.with_name("other.onnx")
    other.write_bytes(path.read_bytes())
    assert of(other) == first
    assert of(linear(weight=WEIGHT + 1)) != first


def test_the_fingerprint_counts_weights_beside_the_file(linear: Write) -> None:
    path = linear()
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    beside = path.with_name("w.bin")
    prints = []
    for change in (0, 0, 1):
        beside.write_bytes(bytes([beside.read_bytes()[0] ^ change]) + beside.read_bytes()[1:])
        prints.append(fingerprint(Model(source=f"onnx:{path}"), base=path.parent))
    assert prints[0] == prints[1] != prints[2]
