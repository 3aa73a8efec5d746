from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from edgedistill.cost import opset
from edgedistill.errors import InputError
from edgedistill.stages.quantize import HalfPrecision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset, Split

    Trained = Callable[[str], Path]
    Logits = Callable[[Path, Split], np.ndarray]


@pytest.mark.parametrize("name", ["depthwise-cnn", "transformer"])
def test_the_inside_is_half_and_the_doors_are_single_precision(
    name: str,
    trained: Trained,
    digits: Dataset,
    context: StageContext,
    logits: Logits,
    heavy: Callable[[Path], int],
) -> None:
    model, written = trained(name), context.folder / "model.onnx"
    result = HalfPrecision(model, digits).run(context)
    assert result.facts["half_operators"] == heavy(model)
    sizes = result.facts["size_bytes"]
    assert sizes["fp16"] < 0.6 * sizes["fp32"]

    before, after = onnx.load_model(model), onnx.load_model(written)
    onnx.checker.check_model(after, full_check=True)
    assert after.graph.input == before.graph.input
    assert after.graph.output == before.graph.output
    assert after.metadata_props == before.metadata_props
    assert (opset(after), after.ir_version) == (opset(before), before.ir_version)
    assert TensorProto.FLOAT not in {tensor.data_type for tensor in after.graph.initializer}

    single, half = (logits(path, digits.validation) for path in (model, written))
    assert np.abs(half - single).max() <= 0.02 * single.std()
    assert [path.name for path in context.folder.iterdir()] == ["model.onnx"]


def test_a_weight_beyond_half_precision_is_named(
    trained: Trained, digits: Dataset, context: StageContext, tmp_path: Path
) -> None:
    model = onnx.load_model(trained("mlp"))
    weight = next(one for one in model.graph.initializer if len(one.dims) == 2)
    values = numpy_helper.to_array(weight).copy()
    values[0, 0] = 1e5
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    changed = tmp_path / "large.onnx"
    onnx.save_model(model, changed)
    with pytest.raises(InputError, match=r"\(given: 100000\).*beyond 65504|beyond 65504.*100000"):
        HalfPrecision(changed, digits).run(context)
