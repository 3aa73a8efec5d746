from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

from edgedistill.stages.quantize.learned import carry, learned_constants


def _model(weight: list[int], bias: list[int], *, step: float, name: str = "w") -> onnx.ModelProto:
    model = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["" : 20]>
        g (float[N,2] x) => (float[N,2] y) {{
            {name}f = DequantizeLinear ({name}, s)
            bf = DequantizeLinear (b, t)
            p = MatMul (x, {name}f)
            z = Add (p, bf)
            y = Mul (z, c)
        }}"""
    )
    constants = {
        name: np.array(weight, np.int8).reshape(2, 2),
        "s": np.array(0.5, np.float32),
        "b": np.array(bias, np.int32),
        "t": np.full((), step, np.float32),
        "c": np.array([1.0, 2.0], np.float32),
    }
    for key, values in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(values, key))
    return model


def _values(model: onnx.ModelProto, name: str) -> list[float]:
    found = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    return found[name].ravel().tolist()


def test_only_what_a_correction_changed_is_learned() -> None:
    before = _model([1, 2, 3, 4], [10, 20], step=0.1)
    assert set(learned_constants(before, _model([1, 2, 3, 5], [10, 20], step=0.1))) == {"w"}
    assert learned_constants(before, before) == {}


def test_a_bias_in_finer_steps_stands_for_the_same_number() -> None:
    before, after = (
        _model([1, 2, 3, 4], [10, 20], step=0.25),
        _model([1, 2, 3, 5], [12, 16], step=0.25),
    )
    other = _model([1, 2, 3, 4], [80, 160], step=0.03125)
    carry(learned_constants(before, after), other)
    assert _values(other, "w") == [1, 2, 3, 5]
    assert _values(other, "b") == [96, 128]


def test_what_is_in_float_in_the_other_graph_stays() -> None:
    before, after = _model([1, 2, 3, 4], [1, 2], step=0.1), _model([9, 9, 9, 9], [1, 2], step=0.1)
    other = _model([1, 2, 3, 4], [1, 2], step=0.1, name="another")
    carry(learned_constants(before, after), other)
    assert _values(other, "another") == [1, 2, 3, 4]
