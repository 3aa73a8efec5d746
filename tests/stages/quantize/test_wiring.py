from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import onnxruntime

from edgedistill.stages.quantize.equalization import equalize
from edgedistill.stages.quantize.junctions import junctions
from edgedistill.stages.quantize.transform import prepare
from edgedistill.stages.quantize.wiring import Wiring, give_own_constants

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.stage import StageContext

SHARED = """
<ir_version: 9, opset_import: ["" : 20]>
shared (float[1, 4, 6, 6] x) => (float[1, 4, 6, 6] z)
<float[4, 4, 3, 3] first, float[4, 4, 3, 3] second, float[4] zeros>
{
    a = Conv<pads = [1, 1, 1, 1]>(x, first, zeros)
    y = Relu(a)
    z = Conv<pads = [1, 1, 1, 1]>(y, second, zeros)
}
"""


def _shared() -> onnx.ModelProto:
    """Two convolutions whose biases an exporter stored once."""
    model, generator = onnx.parser.parse_model(SHARED), np.random.default_rng(0)
    for name, shape in (("first", (4, 4, 3, 3)), ("second", (4, 4, 3, 3)), ("zeros", (4,))):
        values = np.zeros(4) if name == "zeros" else generator.normal(size=shape)
        tensor = onnx.numpy_helper.from_array(values.astype(np.float32), name)
        model.graph.initializer.append(tensor)
    return model


def _answer(model: onnx.ModelProto, sample: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, sample)
    return found  # type: ignore[no-any-return]


def test_each_reader_of_a_small_constant_gets_one_of_its_own() -> None:
    model = _shared()
    sample = {"x": np.random.default_rng(1).normal(size=(1, 4, 6, 6)).astype(np.float32)}
    before = _answer(model, sample)
    give_own_constants(model.graph)
    onnx.checker.check_model(model)
    assert np.array_equal(_answer(model, sample), before)
    wiring = Wiring.of(model.graph)
    assert all(len(wiring.readers(name)) == 1 for name in wiring.constants)
    assert len(wiring.constants) == 4
    again = onnx.ModelProto()
    again.CopyFrom(model)
    give_own_constants(again.graph)
    assert again == model


def test_a_node_that_reads_one_constant_twice_gets_two() -> None:
    text = """
    <ir_version: 9, opset_import: ["" : 20]>
    twice (float[2, 4] x) => (float[2, 4] z)
    <float[4] same = {1, 2, 3, 4}, float[4] same_2 = {0, 0, 0, 0}>
    {
        y = LayerNormalization(x, same, same)
        z = Add(y, same_2)
    }
    """
    model = onnx.parser.parse_model(text)
    give_own_constants(model.graph)
    _, scale, bias = model.graph.node[0].input
    assert scale == "same"
    assert bias not in ("same", "same_2")
    assert model.graph.node[1].input[1] == "same_2"


def test_weights_and_constants_that_can_be_fed_stay_shared() -> None:
    model = _shared()
    model.graph.node[2].input[1] = "first"
    give_own_constants(model.graph)
    assert model.graph.node[0].input[1] == model.graph.node[2].input[1] == "first"
    fed = _shared()
    fed.graph.input.append(onnx.helper.make_tensor_value_info("zeros", onnx.TensorProto.FLOAT, [4]))
    give_own_constants(fed.graph)
    assert fed.graph.node[2].input[2] == "zeros"


def test_what_is_prepared_can_be_equalized_though_biases_were_stored_once(
    context: StageContext, tmp_path: Path
) -> None:
    generator = np.random.default_rng(1)
    samples = [{"x": generator.normal(size=(1, 4, 6, 6)).astype(np.float32)} for _ in range(8)]
    given = _shared()
    first = onnx.numpy_helper.to_array(given.graph.initializer[0]).copy()
    first[2] *= 50
    given.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(first, "first"))
    assert junctions(given.graph) == []
    equalized = equalize(onnx.load_model(prepare(given, tmp_path)), samples, context)
    after = onnx.numpy_helper.to_array(equalized.graph.initializer[0])
    sizes = np.abs(after).max((1, 2, 3))
    assert sizes.max() < 10 * sizes.min()
    np.testing.assert_allclose(
        _answer(equalized, samples[0]), _answer(given, samples[0]), rtol=1e-4, atol=1e-3
    )
