from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from edgedistill.stages.quantize.bias import correct_bias
from edgedistill.stages.quantize.check import coverage_in_runtime
from edgedistill.stages.quantize.weights import IntegerBias, layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import CalibrationSet

    Pairs = Callable[..., tuple[onnx.ModelProto, onnx.ModelProto, CalibrationSet]]

SCHEMES = {
    "U8S8": {},
    "U8S8 per tensor": {"per_channel": False},
    "U8S8 seven bits": {"reduce_range": True},
    "S8S8": {"activation": "int8"},
    "S8S8 symmetric": {"activation": "int8", "symmetric_activation": True},
    "U8U8": {"weight": "uint8", "symmetric_weight": False},
}


def seen(model: onnx.ModelProto, names: Sequence[str], samples: CalibrationSet) -> list[np.ndarray]:
    """Tensors of a model over all samples, each `[samples, ...]`, as the graph stands."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    there = {output.name for output in shown.graph.output}
    shown.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names) if name not in there
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    runs = [session.run(list(names), sample) for sample in samples]
    return [np.concatenate(arrays) for arrays in zip(*runs, strict=True)]


def mean_errors(
    prepared: onnx.ModelProto, quantized: onnx.ModelProto, samples: CalibrationSet
) -> list[np.ndarray]:
    """By layer with a bias inside: the mean error of each channel, seen in the whole graphs."""
    found = [layer for layer in layers(prepared, quantized) if layer.after.op_type != "MatMul"]
    wanted = seen(prepared, [layer.before.output[0] for layer in found], samples)
    given = seen(quantized, [layer.after.output[0] for layer in found], samples)
    return [
        np.moveaxis(b - a, layer.channel_axis, 0).reshape(b.shape[layer.channel_axis], -1).mean(1)
        for layer, a, b in zip(found, wanted, given, strict=True)
    ]


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_each_channel_gets_the_mean_of_the_float_graph_within_half_a_step(
    scheme: dict[str, object], pairs: Pairs, context: StageContext
) -> None:
    prepared, quantized, samples = pairs("depthwise-cnn", **scheme)
    corrected = correct_bias(prepared, quantized, samples, context)
    before = mean_errors(prepared, quantized, samples)
    after = mean_errors(prepared, corrected, samples)
    for layer, error in zip(layers(prepared, corrected), after, strict=True):
        step = layer.bias.scale if isinstance(layer.bias, IntegerBias) else 0.0
        # floats of the runtime differ with the order of summing, ranges are some units wide
        assert (np.abs(error) <= step / 2 + 1e-4).all()
    assert sum(np.abs(e).sum() for e in after) < 0.2 * sum(np.abs(e).sum() for e in before)


def test_the_bias_of_a_matrix_product_is_in_the_add_after_it(
    pairs: Pairs, context: StageContext
) -> None:
    prepared, quantized, samples = pairs("transformer")
    corrected = correct_bias(prepared, quantized, samples, context)
    products = [n for n in prepared.graph.node if n.op_type == "MatMul"]
    adds = [
        node.output[0]
        for node in prepared.graph.node
        if node.op_type == "Add" and any(p.output[0] in node.input for p in products)
    ]
    wanted = seen(prepared, adds, samples)
    before, after = (seen(model, adds, samples) for model in (quantized, corrected))
    assert len(adds) == 4
    for real, rounded, mended in zip(wanted, before, after, strict=True):
        error = np.abs((mended - real).mean((0, 1)))
        assert error.max() < 1e-5
        assert error.max() < 0.1 * np.abs((rounded - real).mean((0, 1))).max()


@pytest.mark.parametrize("name", ["residual-cnn", "depthwise-cnn", "mlp", "transformer"])
def test_the_runtime_fuses_what_it_fused_before(
    name: str, pairs: Pairs, context: StageContext, tmp_path: Path
) -> None:
    prepared, quantized, samples = pairs(name)
    counts = []
    for model in (quantized, correct_bias(prepared, quantized, samples, context)):
        onnx.save_model(model, tmp_path / "model.onnx")
        counts.append(coverage_in_runtime(tmp_path / "model.onnx", tmp_path, 1))
        assert [node.op_type for node in model.graph.node] == [
            node.op_type for node in quantized.graph.node
        ]
    assert len(counts[0].int8) == len(counts[1].int8) > 0
    assert len(counts[0].floating) == len(counts[1].floating)


def test_the_given_graph_stays_and_the_same_bytes_come_again(
    pairs: Pairs, context: StageContext
) -> None:
    prepared, quantized, samples = pairs("residual-cnn")
    kept = quantized.SerializeToString(deterministic=True)
    first, second = (correct_bias(prepared, quantized, samples, context) for _ in range(2))
    assert quantized.SerializeToString(deterministic=True) == kept
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )
    assert first != quantized
