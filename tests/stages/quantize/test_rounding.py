from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from edgedistill.core.stage import SilentProgress
from edgedistill.stages.quantize.check import coverage_in_runtime
from edgedistill.stages.quantize.patches import filters, rows
from edgedistill.stages.quantize.rounding import learn_rounding
from edgedistill.stages.quantize.weights import layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgedistill.core.stage import Advance, StageContext
    from edgedistill.data.dataset import Dataset, Split
    from edgedistill.stages.quantize.calibration import CalibrationSet

    Pairs = Callable[..., tuple[onnx.ModelProto, onnx.ModelProto, CalibrationSet]]
    Logits = Callable[[Path, Split], np.ndarray]

CASES = {
    "convolutions U8S8": ("depthwise-cnn", {}),
    "convolutions per tensor": ("depthwise-cnn", {"per_channel": False}),
    "convolutions of seven bits": ("residual-cnn", {"reduce_range": True}),
    "convolutions S8S8 symmetric": (
        "depthwise-cnn",
        {"activation": "int8", "symmetric_activation": True},
    ),
    "convolutions U8U8": ("depthwise-cnn", {"weight": "uint8", "symmetric_weight": False}),
    "linear layers": ("mlp", {}),
    "matrix products": ("transformer", {}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_logits_come_nearer_to_float_on_digits_that_taught_nothing(
    case: tuple[str, dict[str, object]],
    pairs: Pairs,
    digits: Dataset,
    logits: Logits,
    context: StageContext,
    tmp_path: Path,
) -> None:
    name, scheme = case
    prepared, quantized, samples = pairs(name, **scheme)
    learned = learn_rounding(prepared, quantized, samples, context)
    answers, coverage = {}, {}
    for title, model in {"float": prepared, "nearest": quantized, "learned": learned}.items():
        path = tmp_path / f"{title}.onnx"
        onnx.save_model(model, path)
        answers[title] = logits(path, digits.validation)
        coverage[title] = coverage_in_runtime(path, tmp_path, 1)

    def error(title: str) -> float:
        return float(np.sqrt(np.mean((answers[title] - answers["float"]) ** 2)))

    assert error("learned") < 0.99 * error("nearest")
    assert coverage["learned"] == coverage["nearest"]
    assert learned.graph.node == quantized.graph.node


@pytest.mark.parametrize("scheme", [{}, {"reduce_range": True}, {"per_channel": False}])
def test_only_integers_of_weights_and_biases_change_and_keep_their_range(
    scheme: dict[str, object], pairs: Pairs, context: StageContext
) -> None:
    prepared, quantized, samples = pairs("residual-cnn", **scheme)
    learned = learn_rounding(prepared, quantized, samples, context)
    before, after = (
        {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
        for model in (quantized, learned)
    )
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert {before[name].dtype.name for name in changed} == {"int8", "int32"}
    limit = 64 if scheme.get("reduce_range") else 127
    for layer in layers(prepared, learned):
        assert np.abs(layer.weight.integers).max() <= limit


def test_each_operator_alone_is_nearer_to_its_float_output_than_rounded_to_nearest(
    pairs: Pairs, context: StageContext
) -> None:
    prepared, quantized, samples = pairs("residual-cnn", reduce_range=True)
    learned = learn_rounding(prepared, quantized, samples, context)
    trained = {t.name: onnx.numpy_helper.to_array(t) for t in prepared.graph.initializer}
    before, after = layers(prepared, quantized), layers(prepared, learned)
    first = next(iter(samples))["input"]
    errors = []
    for layer in (before[0], after[0]):  # the first gets the same inputs in all graphs
        node, weight = layer.after, layer.weight
        wanted, given = (
            filters(node, array)[0].astype(np.float64)
            for array in (
                trained[layer.before.input[1]],
                (weight.integers - weight.zero_point) * weight.scale,
            )
        )
        patches = rows(node, first, (3, 3), np.linspace(0, 0.999, 64))[0]
        missed = patches @ (given - wanted).T
        errors.append(np.mean((missed - missed.mean(0)) ** 2))
    assert errors[1] < 0.95 * errors[0]


def test_the_given_graph_stays_and_the_same_bytes_come_again(
    pairs: Pairs, context: StageContext
) -> None:
    prepared, quantized, samples = pairs("depthwise-cnn")
    kept = quantized.SerializeToString(deterministic=True)
    first, second = (learn_rounding(prepared, quantized, samples, context) for _ in range(2))
    assert quantized.SerializeToString(deterministic=True) == kept
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


class Watching(SilentProgress):
    """A progress that looks how many threads matrix products may take, after each operator."""

    def __init__(self) -> None:
        self.seen: list[set[int]] = []

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Advance]:
        del title, total

        def advance(amount: int = 1, *, note: str = "") -> None:
            del amount, note
            self.seen.append(blas_threads())

        yield advance


def test_matrix_products_keep_to_the_threads_of_the_run(
    pairs: Pairs, context: StageContext
) -> None:
    prepared, quantized, samples = pairs("mlp")
    watching = Watching()
    with threadpool_limits(2, user_api="blas"):
        learn_rounding(prepared, quantized, samples, replace(context, progress=watching, threads=1))
        assert blas_threads() == {2}  # the caller's own work goes on with as many as before
    assert watching.seen == [{1}] * len(layers(prepared, quantized))
