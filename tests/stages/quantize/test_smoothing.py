from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from edgedistill.stages.quantize.junctions import junctions
from edgedistill.stages.quantize.smoothing import smooth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset, Split
    from edgedistill.stages.quantize.calibration import CalibrationSet

    Pairs = Callable[..., tuple[onnx.ModelProto, onnx.ModelProto, CalibrationSet]]
    Logits = Callable[[Path, Split], np.ndarray]


class Tokens:
    """Random inputs `x`, `[1, 6, 8]`."""

    def __len__(self) -> int:
        return 8

    def __iter__(self) -> object:
        generator = np.random.default_rng(0)
        for _ in range(8):
            yield {"x": generator.normal(size=(1, 6, 8)).astype(np.float32)}


WIDTHS = {"gamma": (8,), "beta": (8,), "w1": (8, 5), "w2": (8, 5), "w3": (8, 5)}

NORMS = {
    "one operator": "n = LayerNormalization<axis=-1>(x, gamma, beta)",
    "without a bias": "n = LayerNormalization(x, gamma)",
    "written out": """m = ReduceMean<keepdims=1>(x, last) d = Sub(x, m) q = Mul(d, d)
        v = ReduceMean<keepdims=1>(q, last) e = Add(v, small) s = Sqrt(e) u = Div(d, s)
        g = Mul(u, gamma) n = Add(g, beta)""",
}

READ = "q1 = MatMul(n, w1) q2 = MatMul(n, w2) q3 = MatMul(n, w3) a = Add(q1, q2) y = Add(a, q3)"


def model(norm: str, read: str = READ) -> onnx.ModelProto:
    """A normalization whose third channel stands out, and who reads it."""
    body = f"""<ir_version: 10, opset_import: ["" : 20]>
        g (float[1, 6, 8] x) => (float[1, 6, 5] y)
        <int64[1] last = {{-1}}, float small = {{0.00001}}> {{ {norm} {read} }}"""
    parsed = onnx.parser.parse_model(body)
    generator = np.random.default_rng(1)
    for name, shape in WIDTHS.items():
        value = generator.normal(size=shape)
        if name in ("gamma", "beta"):
            value = 1 + 0.1 * value
            value[2] *= 40
        else:
            value[2] /= 40
        tensor = onnx.numpy_helper.from_array(value.astype(np.float32), name)
        if any(name in node.input for node in parsed.graph.node):
            parsed.graph.initializer.append(tensor)
    return parsed


def answers(of: onnx.ModelProto, samples: CalibrationSet | Tokens) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        of.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.concatenate([session.run(None, sample)[0] for sample in samples])


def constants(of: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {t.name: onnx.numpy_helper.to_array(t).astype(np.float64) for t in of.graph.initializer}


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_a_channel_that_stands_out_gives_its_size_to_all_weights_that_read_it(
    norm: str, context: StageContext
) -> None:
    given = model(norm)
    smoothed = smooth(given, Tokens(), context)
    np.testing.assert_allclose(
        answers(smoothed, Tokens()), answers(given, Tokens()), rtol=1e-4, atol=1e-4
    )
    before, after = constants(given), constants(smoothed)
    factors = before["gamma"] / after["gamma"]
    assert factors[2] > 4 * np.delete(factors, 2).max()
    for name in ("w1", "w2", "w3"):
        np.testing.assert_allclose(after[name] / before[name], factors[:, None] * np.ones(5), 1e-5)
    if "beta" in before:
        np.testing.assert_allclose(before["beta"] / after["beta"], factors, 1e-5)


def test_factors_are_those_of_equation_4(context: StageContext) -> None:
    given = model(NORMS["one operator"])
    smoothed = smooth(given, Tokens(), context)
    before = constants(given)
    factors = before["gamma"] / constants(smoothed)["gamma"]
    shown = onnx.ModelProto()
    shown.CopyFrom(given)
    shown.graph.output.insert(0, onnx.ValueInfoProto(name="n"))
    learned = answers(shown, Tokens())[[0, 1, 2, 4, 5, 6]]  # the fourth of four judges
    activation = np.abs(learned).max((0, 1))
    activation = np.maximum(activation, activation.max() / 64)
    weight = np.max([np.abs(before[name]).max(1) for name in ("w1", "w2", "w3")], axis=0)
    weight = np.maximum(weight, weight.max() / 64)
    ratios = []
    for strength in (0.25, 0.5, 0.75, 1.0):
        wanted = activation**strength / weight ** (1 - strength)
        ratios.append(np.ptp(np.log(factors / wanted)))
    assert min(ratios) < 1e-4


@pytest.mark.parametrize(
    "read",
    [
        "q1 = MatMul(n, w1) e = Erf(q1) q2 = MatMul(e, turn) z = Add(q2, n) y = MatMul(z, w2)",
        "e = Erf(n) y = MatMul(e, w1)",
        "t = Transpose<perm=[0, 2, 1]>(n) q = MatMul(w4, t) y = Transpose<perm=[0, 2, 1]>(q)",
    ],
    ids=["a residual Add", "a curve", "not the first input"],
)
def test_a_norm_that_others_read_is_left_alone(read: str, context: StageContext) -> None:
    given = model(NORMS["one operator"], read)
    for name, shape in {"turn": (5, 8), "w4": (5, 8)}.items():
        if any(name in node.input for node in given.graph.node):
            value = np.ones(shape, np.float32)
            given.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    assert junctions(given.graph) == []
    assert smooth(given, Tokens(), context) == given


@pytest.mark.parametrize("name", ["residual-cnn", "depthwise-cnn", "mlp", "transformer"])
def test_real_networks_answer_as_before(name: str, pairs: Pairs, context: StageContext) -> None:
    prepared, _, samples = pairs(name)
    smoothed = smooth(prepared, samples, context)
    before = answers(prepared, samples)
    np.testing.assert_allclose(answers(smoothed, samples), before, atol=2e-5 * np.abs(before).max())
    assert smoothed != prepared
    assert smoothed.graph.node == prepared.graph.node
    again = smooth(prepared, samples, context)
    assert again.SerializeToString(deterministic=True) == smoothed.SerializeToString(
        deterministic=True
    )


def test_a_transformer_with_a_channel_that_stands_out_is_saved(
    quantizing: Callable[..., onnx.ModelProto],
    pairs: Pairs,
    digits: Dataset,
    logits: Logits,
    context: StageContext,
    tmp_path: Path,
) -> None:
    prepared, _, samples = pairs("transformer")
    harmed = onnx.ModelProto()
    harmed.CopyFrom(prepared)
    found = junctions(harmed.graph)
    held = {tensor.name: tensor for tensor in harmed.graph.initializer}
    for item in found:
        for side in (*item.makers, *item.readers):
            value = onnx.numpy_helper.to_array(held[side.name]).copy()
            factors = np.ones(32, np.float32)
            factors[7] = 60 if side in item.makers else 1 / 60
            side.multiply(value, factors)
            held[side.name].CopyFrom(onnx.numpy_helper.from_array(value, side.name))
    answered = []
    for each in (
        prepared,
        quantizing(harmed),
        quantizing(smooth(harmed, samples, context)),
    ):
        onnx.save_model(each, tmp_path / "model.onnx")
        answered.append(logits(tmp_path / "model.onnx", digits.validation))
    assert len(found) == 2
    assert np.mean((answered[2] - answered[0]) ** 2) < 0.1 * np.mean(
        (answered[1] - answered[0]) ** 2
    )
