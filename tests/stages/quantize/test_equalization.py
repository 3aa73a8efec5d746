from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from edgedistill.stages.quantize.equalization import equalize
from edgedistill.stages.quantize.junctions import Junction, constants_of, junctions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset, Split
    from edgedistill.stages.quantize.calibration import CalibrationSet

    Pairs = Callable[..., tuple[onnx.ModelProto, onnx.ModelProto, CalibrationSet]]
    Logits = Callable[[Path, Split], np.ndarray]


@dataclass(frozen=True)
class Noise:
    """Random inputs `x` of a shape."""

    shape: tuple[int, ...]
    count: int = 8

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Mapping[str, np.ndarray]]:
        generator = np.random.default_rng(0)
        for _ in range(self.count):
            yield {"x": generator.normal(size=self.shape).astype(np.float32)}


def model(body: str, **shapes: tuple[int, ...]) -> onnx.ModelProto:
    """A graph as onnx writes it, with random constants whose channels differ a lot."""
    parsed = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 20]> {body}')
    generator = np.random.default_rng(1)
    for name, shape in shapes.items():
        spread = np.exp(generator.normal(size=(shape[0], *[1] * (len(shape) - 1))))
        value = (generator.normal(size=shape) * spread).astype(np.float32)
        parsed.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    onnx.checker.check_model(parsed)
    return parsed


def answers(of: onnx.ModelProto, samples: CalibrationSet | Noise) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        of.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.concatenate([session.run(None, sample)[0] for sample in samples])


def ranges(of: onnx.ModelProto, item: Junction) -> tuple[np.ndarray, np.ndarray]:
    """Of the weights before a junction and after it."""
    values = constants_of(of.graph, [item])
    before = item.makers[0].ranges(values[item.makers[0].name])
    return before, np.max([side.ranges(values[side.name]) for side in item.readers], axis=0)


CHAIN = """
g (float[1, 3, 8, 8] x) => (float[1, 5, a, b] y) {
    c1 = Conv<pads=[1, 1, 1, 1]>(x, w1, b1)
    r1 = Relu(c1)
    c2 = Conv<group=4, pads=[1, 1, 1, 1]>(r1, w2, b2)
    r2 = LeakyRelu<alpha=0.2>(c2)
    p2 = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(r2)
    c3 = Conv<group=2>(p2, w3, b3)
    y = Conv(c3, w4)
}"""
SHAPES = {
    "w1": (4, 3, 3, 3), "b1": (4,), "w2": (8, 1, 3, 3), "b2": (8,), "w3": (6, 4, 1, 1),
    "b3": (6,), "w4": (5, 6, 2, 2),
}  # fmt: skip


def test_ranges_before_and_after_become_the_same(context: StageContext) -> None:
    given = model(CHAIN, **SHAPES)
    equalized = equalize(given, Noise((1, 3, 8, 8)), context)
    found = junctions(given.graph)
    assert [item.tensor for item in found] == ["r1", "p2", "c3"]
    for item in found:
        old, new = ranges(given, item), ranges(equalized, item)
        assert np.abs(np.log(old[0] / old[1])).max() > 0.5
        # where a channel may not be enlarged further its weights stay smaller before than after
        assert (new[0] <= new[1] * 1.01).all()
        assert np.isclose(new[0], new[1], rtol=0.01).mean() >= 0.5
    np.testing.assert_allclose(
        answers(equalized, Noise((1, 3, 8, 8))), answers(given, Noise((1, 3, 8, 8))), rtol=1e-4,
        atol=1e-3,
    )  # fmt: skip


def test_no_channel_rises_above_the_greatest_of_its_tensor(context: StageContext) -> None:
    given = model(CHAIN, **SHAPES)
    weight = next(item for item in given.graph.initializer if item.name == "w1")
    tiny = onnx.numpy_helper.to_array(weight).copy()
    tiny[1] *= 1e-9  # nothing but its bias is left
    weight.CopyFrom(onnx.numpy_helper.from_array(tiny, "w1"))
    equalized = equalize(given, Noise((1, 3, 8, 8)), context)
    greatest = []
    for each in (given, equalized):
        shown = onnx.ModelProto()
        shown.CopyFrom(each)
        shown.graph.output.insert(0, onnx.ValueInfoProto(name="r1"))
        greatest.append(np.abs(answers(shown, Noise((1, 3, 8, 8)))).max())
    assert greatest[1] <= greatest[0] * 1.0001


@pytest.mark.parametrize("name", ["residual-cnn", "depthwise-cnn", "mlp", "transformer"])
def test_real_networks_answer_as_before(name: str, pairs: Pairs, context: StageContext) -> None:
    prepared, _, samples = pairs(name)
    equalized = equalize(prepared, samples, context)
    before = answers(prepared, samples)
    np.testing.assert_allclose(
        answers(equalized, samples), before, atol=2e-5 * np.abs(before).max()
    )
    assert (equalized == prepared) is (name == "transformer")  # its Gelu lets no factor through
    assert equalized.graph.node == prepared.graph.node


ALONE = {
    "read twice": """g (float[1, 3, 8, 8] x) => (float[1, 4, 8, 8] y) {
        c1 = Conv(x, w1) r1 = Relu(c1) c2 = Conv(r1, w2) y = Add(c2, r1) }""",
    "clipped": """g (float[1, 3, 8, 8] x) => (float[1, 4, 8, 8] y) <float six = {6.0}> {
        c1 = Conv(x, w1) r1 = Clip(c1, , six) y = Conv(r1, w2) }""",
    "shown": """g (float[1, 3, 8, 8] x) => (float[1, 4, 8, 8] y, float[1, 4, 8, 8] c1) {
        c1 = Conv(x, w1) y = Conv(c1, w2) }""",
    "shared": """g (float[1, 3, 8, 8] x) => (float[1, 4, 8, 8] y) {
        c1 = Conv(x, w1) c2 = Conv(c1, w2) c3 = Relu(c2) y = Conv(c3, w2) }""",
    "curved": """g (float[1, 3, 8, 8] x) => (float[1, 4, 8, 8] y) {
        c1 = Conv(x, w1) r1 = Sigmoid(c1) y = Conv(r1, w2) }""",
}


@pytest.mark.parametrize("body", ALONE.values(), ids=ALONE)
def test_what_a_factor_cannot_go_through_is_left_alone(body: str, context: StageContext) -> None:
    given = model(body, w1=(4, 3, 1, 1), w2=(4, 4, 1, 1))
    assert junctions(given.graph) == []
    assert equalize(given, Noise((1, 3, 8, 8)), context) == given


def test_a_convolution_before_a_matrix_product_is_no_pair(context: StageContext) -> None:
    body = """g (float[1, 3, 8, 4] x) => (float[1, 4, 8, 5] y) {
        c1 = Conv(x, w1) y = MatMul(c1, w2) }"""
    given = model(body, w1=(4, 3, 1, 1), w2=(4, 5))
    assert equalize(given, Noise((1, 3, 8, 4)), context) == given


def test_linear_layers_pass_factors_on_however_they_are_written(context: StageContext) -> None:
    body = """g (float[6, 3] x) => (float[6, 5] y) {
        m1 = MatMul(x, w1) a1 = Add(b1, m1) r1 = Relu(a1) g2 = Gemm<transB=1>(r1, w2, b2)
        r2 = Relu(g2) y = Gemm(r2, w3) }"""
    given = model(body, w1=(3, 4), b1=(4,), w2=(7, 4), b2=(7,), w3=(7, 5))
    equalized = equalize(given, Noise((6, 3)), context)
    assert [item.tensor for item in junctions(given.graph)] == ["r1", "r2"]
    np.testing.assert_allclose(
        answers(equalized, Noise((6, 3))), answers(given, Noise((6, 3))), rtol=1e-4, atol=1e-3
    )
    assert equalized != given


def test_the_same_bytes_come_again(pairs: Pairs, context: StageContext) -> None:
    prepared, _, samples = pairs("depthwise-cnn")
    first, second = (equalize(prepared, samples, context) for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )


def test_weights_of_one_scale_a_tensor_lose_less(
    quantizing: Callable[..., onnx.ModelProto],
    pairs: Pairs,
    digits: Dataset,
    logits: Logits,
    context: StageContext,
    tmp_path: Path,
) -> None:
    prepared, nearest, samples = pairs("depthwise-cnn", per_channel=False)
    equalized = quantizing(equalize(prepared, samples, context), per_channel=False)
    found = []
    for each in (prepared, nearest, equalized):
        onnx.save_model(each, tmp_path / "model.onnx")
        found.append(logits(tmp_path / "model.onnx", digits.validation))
    assert np.mean((found[2] - found[0]) ** 2) < 0.9 * np.mean((found[1] - found[0]) ** 2)
