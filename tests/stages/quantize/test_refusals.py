from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.quantizing import Quantize
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.data.dataset import Dataset, Split
from edgedistill.errors import InputError
from edgedistill.stages.quantize import Quantization

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme

    Trained = Callable[[str], Path]
    Scheme = Callable[..., QuantizationScheme]

ALL = Quantize(min_int8_share=1.0)


def with_calibration(dataset: Dataset, inputs: dict[str, np.ndarray]) -> Dataset:
    split = Split(
        inputs=inputs,
        labels=np.zeros(len(next(iter(inputs.values()))), np.int64),
        groups=None,
        preprocessing=Preprocessing(),
        augmentation=Augmentation(),
    )
    return dataclasses.replace(dataset, calibration=split)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"input": np.zeros((0, 1, 8, 8), np.float32)}, "nothing to calibrate with"),
        (
            {"input": np.stack([np.zeros((1, 8, 8)), np.full((1, 8, 8), np.nan)]).astype("f")},
            "calibration sample 1, input input",
        ),
        ({"input": np.zeros((2, 8, 8, 1), np.float32)}, r"the model takes \['batch', 1, 8, 8\]"),
        (
            {"a": np.zeros((2, 1, 8, 8), np.float32), "b": np.zeros((2, 1), np.float32)},
            "the model's inputs are input",
        ),
    ],
)
def test_calibration_samples_that_cannot_be_used(
    inputs: dict[str, np.ndarray],
    message: str,
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
) -> None:
    dataset = with_calibration(digits, inputs)
    with pytest.raises(InputError, match=message):
        Quantization(trained("mlp"), dataset, ALL, scheme(), runs_here=True).run(context)


@pytest.mark.parametrize("value", [0.0, 2.5, -1e-40])
@pytest.mark.parametrize("method", ["min-max", "percentile", "entropy", "mean-squared-error"])
def test_samples_that_never_change_give_a_model_that_still_works(
    method: Any,
    value: float,
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    logits: Callable[[Path, Split], np.ndarray],
) -> None:
    dataset = with_calibration(digits, {"input": np.full((3, 1, 8, 8), value, np.float32)})
    config = Quantize(calibration=method)
    Quantization(trained("mlp"), dataset, config, scheme(), runs_here=True).run(context)
    ours = logits(context.folder / "model.onnx", dataset.calibration)
    theirs = logits(trained("mlp"), dataset.calibration)
    # the one sample that ranges were made for
    assert np.abs(ours - theirs).max() <= 0.05 * np.abs(theirs).max()


def _poison(model: onnx.ModelProto) -> None:
    tensor = next(item for item in model.graph.initializer if item.name.endswith("weight"))
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _fix_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def _age(model: onnx.ModelProto) -> None:
    old = onnx.parser.parse_model(
        '<ir_version: 7, opset_import: ["" : 12]>'
        "g (float[N,1,8,8] input) => (float[N,64] logits) {"
        "flat = Flatten (input) logits = MatMul (flat, w) }"
    )
    weight = numpy_helper.from_array(np.ones((64, 10), np.float32), "w")
    old.graph.initializer.append(weight)
    model.CopyFrom(old)


def _empty(model: onnx.ModelProto) -> None:
    del model.graph.node[:]
    model.graph.node.append(onnx.helper.make_node("Flatten", ["input"], ["logits"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_poison, "this weight holds NaN or infinity"),
        (_fix_batch, r"input: the model takes \[4, 1, 8, 8\]"),
        (_age, "too old for QuantizeLinear"),
        (_empty, "there is nothing to quantize"),
    ],
)
def test_models_that_cannot_be_quantized(
    change: Callable[[onnx.ModelProto], None],
    message: str,
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    tmp_path: Path,
) -> None:
    model = onnx.load_model(trained("mlp"))
    change(model)
    path = tmp_path / "changed.onnx"
    onnx.save_model(model, path)
    with pytest.raises(InputError, match=message):
        Quantization(path, digits, ALL, scheme(), runs_here=True).run(context)


def test_a_quantized_model_is_not_quantized_again(
    trained: Trained, digits: Dataset, scheme: Scheme, context: StageContext, tmp_path: Path
) -> None:
    Quantization(trained("mlp"), digits, ALL, scheme(), runs_here=True).run(context)
    again = StageContext(folder=tmp_path)
    stage = Quantization(context.folder / "model.onnx", digits, ALL, scheme(), runs_here=True)
    with pytest.raises(InputError, match="is quantized already"):
        stage.run(again)


def test_a_scheme_that_no_runtime_runs(
    trained: Trained, digits: Dataset, scheme: Scheme, context: StageContext
) -> None:
    wrong = scheme(activation="int8", weight="uint8")
    with pytest.raises(InputError, match=r"int8\.weight: no runtime runs this scheme"):
        Quantization(trained("mlp"), digits, ALL, wrong, runs_here=True).run(context)
