"""A teacher that is an ONNX file: its graph stays, its doors are fitted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Export
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Teacher
from edgedistill.cost.graph import count
from edgedistill.errors import InputError
from edgedistill.models.network import create
from edgedistill.models.signature import Signature
from edgedistill.stages.export import Exporting, require_preprocessing
from edgedistill.stages.export.contract import CLASS_NAMES_KEY, read_class_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgedistill.data.dataset import Dataset

WEIGHT = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)


@pytest.fixture
def adopt(digits: Dataset, tmp_path: Path) -> Callable[..., tuple[Mapping[str, Any], Path]]:
    """Exports the ONNX file at a path as a teacher's; gives facts and the file written."""

    def run(source: Path, **more: Any) -> tuple[Mapping[str, Any], Path]:
        network = create(
            Teacher(source=f"onnx:{source}"),
            Signature({"input": (1, 8, 8)}, 10),
            base=Path(),
            seed=0,
            preprocessing=digits.preprocessing,
            field="teacher",
        )
        folder = tmp_path / "step"
        folder.mkdir()
        limits = {"config": Export(), "opset": 20, "max_ir_version": 10} | more
        facts = Exporting(network, digits, **limits).run(StageContext(folder)).facts
        assert [path.name for path in folder.iterdir()] == ["model.onnx"]
        return facts, folder / "model.onnx"

    return run


def _answers(file: Path, dataset: Dataset, size: int = 100) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    inputs = dataset.validation.batch(np.arange(100))
    parts = [
        session.run(["logits"], {name: x[i : i + size] for name, x in inputs.items()})[0]
        for i in range(0, 100, size)
    ]
    return np.concatenate(parts)


def _logits(dataset: Dataset) -> np.ndarray[Any, Any]:
    pictures = dataset.validation.batch(np.arange(100))["input"]
    return np.asarray(pictures.reshape(100, 64) @ WEIGHT)


def _log_softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    less = logits.astype(np.float64) - logits.max(1, keepdims=True)
    return np.asarray(less - np.log(np.exp(less).sum(1, keepdims=True)))


def test_operators_and_weights_stay_and_names_are_the_datas(
    onnx_classifier: Callable[..., Path], adopt: Any, digits: Dataset, tmp_path: Path
) -> None:
    source = onnx_classifier(tmp_path / "t.onnx", WEIGHT, (1, 8, 8), metadata={"author": "me"})
    facts, file = adopt(source)
    before, after = onnx.load(source), onnx.load(file)

    assert facts["exporter"] == "adopted"
    assert (facts["opset"], facts["ir_version"], facts["shapes"]) == (13, 7, "dynamic")
    assert facts["within_limits"]
    assert facts["parity"]["agreement"] == 1.0
    assert facts["parity"]["samples"] == 100
    assert [node.op_type for node in after.graph.node] == ["Cast", "Flatten", "Gemm"]
    assert list(after.graph.initializer) == list(before.graph.initializer)
    assert [item.name for item in (*after.graph.input, *after.graph.output)] == ["input", "logits"]
    assert {item.key: item.value for item in after.metadata_props}["author"] == "me"
    require_preprocessing(file, digits.preprocessing)
    assert read_class_names(file) == digits.class_names
    np.testing.assert_allclose(_answers(file, digits), _logits(digits), rtol=1e-4, atol=1e-4)
    assert count(file).macs == 640
    assert count(file).parameters == 650


def test_a_softmax_gets_a_logarithm_behind(
    onnx_classifier: Callable[..., Path], adopt: Any, digits: Dataset, tmp_path: Path
) -> None:
    source = onnx_classifier(tmp_path / "t.onnx", WEIGHT, (1, 8, 8), ends_in=("Softmax",))
    facts, file = adopt(source)
    expected = np.maximum(_log_softmax(_logits(digits)), np.log(np.finfo(np.float32).tiny))
    np.testing.assert_allclose(_answers(file, digits), expected, rtol=1e-3, atol=1e-3)
    assert facts["parity"]["max_difference"] < 1e-5


@pytest.mark.parametrize("opset", [9, 18, 21])
@pytest.mark.parametrize("shapes", ["static", "dynamic"])
def test_opset_and_batch_are_kept_whatever_the_target_wants(
    onnx_classifier: Callable[..., Path],
    adopt: Any,
    digits: Dataset,
    tmp_path: Path,
    opset: int,
    shapes: str,
) -> None:
    source = onnx_classifier(tmp_path / "t.onnx", WEIGHT, (1, 8, 8), batch=1, opset=opset)
    facts, file = adopt(source, shapes=shapes)
    assert facts["opset"] == opset
    assert facts["shapes"] == "static"
    assert facts["within_limits"] == (opset <= 20)
    answers = _answers(file, digits, size=1)
    np.testing.assert_allclose(answers, _logits(digits), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_another_type_of_input_gets_a_cast_before(
    onnx_classifier: Callable[..., Path], adopt: Any, digits: Dataset, tmp_path: Path, kind: int
) -> None:
    source = onnx_classifier(tmp_path / "t.onnx", WEIGHT, (1, 8, 8), takes=kind, name="input")
    _, file = adopt(source)
    assert onnx.load(file).graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    np.testing.assert_allclose(_answers(file, digits), _logits(digits), atol=0.05)


def test_whole_numbers_are_cast_where_the_data_gives_them(
    onnx_classifier: Callable[..., Path], adopt: Any, digits: Dataset, tmp_path: Path
) -> None:
    source = onnx_classifier(tmp_path / "t.onnx", WEIGHT, (1, 8, 8), takes=TensorProto.UINT8)
    with pytest.raises(InputError, match="takes uint8, and the data gives values that this type"):
        adopt(source)  # the data is scaled to 0..1


def test_names_that_are_taken_inside_and_further_outputs_do_not_hurt(
    onnx_classifier: Callable[..., Path], adopt: Any, digits: Dataset, tmp_path: Path
) -> None:
    source = onnx_classifier(tmp_path / "t.onnx", WEIGHT, (1, 8, 8))
    model = onnx.load(source)
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [{"real": "logits", "flat": "input"}.get(name, name) for name in names]
    model.graph.output.append(
        helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 64])
    )
    onnx.save(model, source)
    _, file = adopt(source)
    assert len(onnx.load(file).graph.output) == 2
    np.testing.assert_allclose(_answers(file, digits), _logits(digits), rtol=1e-4, atol=1e-4)


def test_a_half_precision_answer_becomes_float32(
    onnx_classifier: Callable[..., Path], adopt: Any, digits: Dataset, tmp_path: Path
) -> None:
    source = onnx_classifier(tmp_path / "t.onnx", WEIGHT, (1, 8, 8))
    model = onnx.load(source)
    model.graph.node.append(helper.make_node("Cast", ["out_0"], ["half"], to=TensorProto.FLOAT16))
    model.graph.output[0].name = "half"
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(model, source)
    _, file = adopt(source)
    answers = _answers(file, digits)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, _logits(digits), rtol=1e-2, atol=1e-2)


def test_weights_beside_the_file_end_inside_it(
    onnx_classifier: Callable[..., Path], adopt: Any, digits: Dataset, tmp_path: Path
) -> None:
    source = onnx_classifier(tmp_path / "t.onnx", WEIGHT, (1, 8, 8))
    model = onnx.load(source)
    onnx.save(model, source, save_as_external_data=True, location="w.bin", size_threshold=0)
    _, file = adopt(source)
    assert count(file).parameters == 650
    found = {tensor.name: tensor for tensor in onnx.load(file).graph.initializer}
    np.testing.assert_array_equal(numpy_helper.to_array(found["weight"]), WEIGHT)


def test_class_names_are_read_where_the_file_declares_them(
    onnx_classifier: Callable[..., Path], tmp_path: Path
) -> None:
    source = tmp_path / "t.onnx"
    expected = {None: None, '["a", "ü"]': ("a", "ü")}
    for text, names in expected.items():
        metadata = {} if text is None else {CLASS_NAMES_KEY: text}
        onnx_classifier(source, WEIGHT, (1, 8, 8), metadata=metadata)
        assert read_class_names(source) == names
    for damaged in ("[1]", '"a"', "["):
        onnx_classifier(source, WEIGHT, (1, 8, 8), metadata={CLASS_NAMES_KEY: damaged})
        with pytest.raises(InputError, match="this metadata is damaged"):
            read_class_names(source)


def test_a_contract_of_another_preprocessing_is_refused(
    onnx_classifier: Callable[..., Path], adopt: Any, tmp_path: Path
) -> None:
    declared = {"edgedistill.preprocessing": Preprocessing(scale=0.5).model_dump_json()}
    source = onnx_classifier(tmp_path / "t.onnx", WEIGHT, (1, 8, 8), metadata=declared)
    with pytest.raises(InputError, match="made for another preprocessing"):
        adopt(source)
