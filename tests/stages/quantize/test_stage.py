from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from edgedistill.core.quantizing import Quantize
from edgedistill.core.report import Int8Check
from edgedistill.cost import count
from edgedistill.errors import PromiseError
from edgedistill.stages.quantize import Quantization

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset, Split

    Trained = Callable[[str], Path]
    Logits = Callable[[Path, Split], np.ndarray]
    Heavy = Callable[[Path], int]
    Scheme = Callable[..., QuantizationScheme]

ALL = Quantize(min_int8_share=1.0)
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="about x86 kernels")


@pytest.mark.parametrize("name", ["residual-cnn", "depthwise-cnn", "mlp", "transformer"])
def test_every_heavy_operator_runs_in_int8_and_the_answers_stay(
    name: str,
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    logits: Logits,
    heavy: Heavy,
) -> None:
    model = trained(name)
    result = Quantization(model, digits, ALL, scheme(), runs_here=True).run(context)

    check = Int8Check.read(result.facts["check"], file="facts")
    assert check.verified == "in-runtime"
    products = 2 if name == "transformer" else 0  # of attention, which stay in float
    assert len(check.float_names) == products
    assert set(check.float_reasons) == set(check.float_names)
    assert all("both of its inputs are activations" in why for why in check.float_reasons.values())
    assert check.int8_operators == heavy(model) - products
    assert check.scheme == "U8S8"

    quantized = context.folder / "model.onnx"
    before, after = logits(model, digits.validation), logits(quantized, digits.validation)
    labels = digits.validation.labels
    accuracy = [np.mean(answers.argmax(1) == labels) for answers in (before, after)]
    assert accuracy[0] > 0.8
    assert accuracy[1] >= accuracy[0] - 0.02
    assert np.mean(before.argmax(1) == after.argmax(1)) >= 0.98
    assert np.abs(after - before).mean() < 0.05 * before.std()

    float_cost, int8_cost = count(model), count(quantized)
    assert int8_cost.macs == float_cost.macs
    assert int8_cost.parameters == float_cost.parameters
    assert result.facts["size_bytes"] == {
        "fp32": float_cost.size_bytes,
        "int8": int8_cost.size_bytes,
    }


@on_x86
def test_a_scheme_that_the_runtime_does_not_fuse_breaks_the_promise_and_names_operators(
    trained: Trained, digits: Dataset, scheme: Scheme, context: StageContext
) -> None:
    stage = Quantization(
        trained("residual-cnn"), digits, ALL, scheme(activation="int8"), runs_here=True
    )
    with pytest.raises(PromiseError) as error:
        stage.run(context)
    message = str(error.value)
    assert "at least 100.00 % of the heavy operators in int8" in message
    assert "with S8S8" in message
    assert "Conv node_" in message
    assert "uint8 activations with int8 weights on x86" in message


@on_x86
def test_a_share_below_one_accepts_what_stays_in_float_and_says_so(
    trained: Trained, digits: Dataset, scheme: Scheme, context: StageContext, heavy: Heavy
) -> None:
    config = Quantize(min_int8_share=0.1)
    stage = Quantization(
        trained("residual-cnn"), digits, config, scheme(activation="int8"), runs_here=True
    )
    check = stage.run(context).facts["check"]
    assert check["float_operators"] == len(check["float_names"]) > 0
    reasons = {name: check["float_reasons"][name] for name in check["float_names"]}
    assert all("the runtime did not fuse them" in why for why in reasons.values())
    assert check["int8_operators"] + check["float_operators"] == heavy(trained("residual-cnn"))


def test_an_unseen_runtime_gets_a_check_of_the_file(
    trained: Trained, digits: Dataset, scheme: Scheme, context: StageContext, heavy: Heavy
) -> None:
    model = trained("residual-cnn")
    result = Quantization(model, digits, ALL, scheme(), runs_here=False).run(context)
    check = result.facts["check"]
    assert check["verified"] == "unverified"
    assert (check["int8_operators"], check["float_operators"]) == (heavy(model), 0)


def test_batch_norms_are_folded(
    digits: Dataset, scheme: Scheme, context: StageContext, tmp_path: Path, logits: Logits
) -> None:
    text = """<ir_version: 10, opset_import: ["" : 20]>
    g (float[N,1,8,8] input) => (float[N,4,6,6] logits) {
        summed = Conv (input, w)
        normal = BatchNormalization (summed, gamma, beta, mean, variance)
        logits = Relu (normal)
    }"""
    model = onnx.parser.parse_model(text)
    generator = np.random.default_rng(0)
    for name, shape in {"w": (4, 1, 3, 3), "gamma": 4, "beta": 4, "mean": 4}.items():
        values = generator.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    model.graph.initializer.append(numpy_helper.from_array(np.full(4, 2, np.float32), "variance"))
    path = tmp_path / "unfolded.onnx"
    onnx.save_model(model, path)
    Quantization(path, digits, ALL, scheme(), runs_here=True).run(context)
    nodes = onnx.load_model(context.folder / "model.onnx").graph.node
    assert "BatchNormalization" not in {node.op_type for node in nodes}
    before = logits(path, digits.validation)
    after = logits(context.folder / "model.onnx", digits.validation)
    assert np.abs(after - before).mean() < before.max() / 100


def test_operators_that_other_targets_have_kernels_for_are_left(
    digits: Dataset, scheme: Scheme, context: StageContext, tmp_path: Path
) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]>'
        "g (float[N,1,8,8] input) => (float[N,4,6,6] logits) {"
        "summed = Conv (input, w) logits = HardSwish (summed) }"
    )
    values = np.random.default_rng(0).standard_normal((4, 1, 3, 3)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(values, "w"))
    path = tmp_path / "mobile.onnx"
    onnx.save_model(model, path)
    Quantization(path, digits, ALL, scheme(), runs_here=True).run(context)
    nodes = onnx.load_model(context.folder / "model.onnx").graph.node
    assert "HardSwish" in {node.op_type for node in nodes}
