from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.parser
import pytest

from edgedistill.core.quantizing import Quantize
from edgedistill.stages.quantize import Quantization

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset, Split

    Trained = Callable[[str], Path]
    Logits = Callable[[Path, Split], np.ndarray]
    Initializers = Callable[[Path], dict[str, np.ndarray]]
    Scheme = Callable[..., QuantizationScheme]

ALL = Quantize(min_int8_share=1.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"weight": "uint8", "symmetric_weight": False},
        {"reduce_range": True},
        {"per_channel": False},
    ],
)
def test_other_schemes_do_what_they_say(
    changes: dict[str, object],
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    initializers: Initializers,
) -> None:
    stage = Quantization(trained("depthwise-cnn"), digits, ALL, scheme(**changes), runs_here=True)
    stage.run(context)
    found = initializers(context.folder / "model.onnx")
    weights = [array for name, array in found.items() if name.endswith("weight_quantized")]
    scales = [array for name, array in found.items() if name.endswith("weight_scale")]
    assert weights
    assert {array.dtype for array in weights} == {np.dtype(changes.get("weight", "int8"))}
    if changes.get("reduce_range"):
        assert max(int(np.abs(array).max()) for array in weights) <= 64
    assert {array.ndim for array in scales} == ({0} if "per_channel" in changes else {1})


@pytest.mark.parametrize("name", ["residual-cnn", "transformer"])
def test_the_symmetric_scheme_is_what_tensorrt_takes(
    name: str,
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    logits: Logits,
    initializers: Initializers,
) -> None:
    symmetric = scheme(activation="int8", symmetric_activation=True)
    result = Quantization(trained(name), digits, ALL, symmetric, runs_here=False).run(context)
    check = result.facts["check"]
    products = 2 if name == "transformer" else 0  # of attention, which stay in float
    assert (check["verified"], check["float_operators"]) == ("unverified", products)

    path = context.folder / "model.onnx"
    found, graph = initializers(path), onnx.load_model(path).graph
    producers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero_point = found[node.input[2]]
            assert zero_point.dtype == np.int8
            assert not zero_point.any()
        if node.op_type in ("Conv", "Gemm"):
            pair = producers[node.input[1]]
            assert pair.op_type == "DequantizeLinear"
            assert producers[pair.input[0]].op_type == "QuantizeLinear"
            assert found[node.input[2]].dtype == np.float32
        if node.op_type == "Relu":  # fused into the operator before it, not rounded before
            assert producers[node.input[0]].op_type != "DequantizeLinear" or (
                producers[producers[producers[node.input[0]].input[0]].input[0]].op_type == "Add"
            )
    before = logits(trained(name), digits.validation)
    after = logits(path, digits.validation)
    assert np.mean(before.argmax(1) == after.argmax(1)) >= 0.97


@pytest.mark.parametrize(
    "method",
    ["moving-average", "exponential-average", "percentile", "entropy", "mean-squared-error"],
)
def test_every_way_of_calibrating_keeps_the_answers(
    method: Any,
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    logits: Logits,
) -> None:
    config = Quantize(calibration=method, min_int8_share=1.0)
    model = trained("mlp")
    result = Quantization(model, digits, config, scheme(), runs_here=True).run(context)
    assert result.facts["calibration"]["method"] == method
    assert result.facts["calibration"]["samples"] == 64
    before = logits(model, digits.validation)
    after = logits(context.folder / "model.onnx", digits.validation)
    assert np.mean(before.argmax(1) == after.argmax(1)) >= 0.95
