from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from edgedistill.cost import opset
from edgedistill.errors import PromiseError
from edgedistill.stages.quantize import DynamicQuantization

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset, Split

    Trained = Callable[[str], Path]
    Logits = Callable[[Path, Split], np.ndarray]
    Scheme = Callable[..., QuantizationScheme]


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize(("name", "int8", "floating"), [("mlp", 3, 0), ("transformer", 5, 3)])
def test_products_with_weights_run_in_int8_and_keep_the_answers(
    name: str,
    int8: int,
    floating: int,
    here: bool,
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    logits: Logits,
) -> None:
    model = trained(name)
    result = DynamicQuantization(model, digits, 0.8, scheme(), runs_here=here).run(context)
    check = result.facts["check"]
    assert (check["int8_operators"], check["float_operators"]) == (int8, floating)
    assert check["scheme"] == "U8S8, dynamic"
    assert check["verified"] == ("in-runtime" if here else "unverified")
    written = context.folder / "model.onnx"
    before, after = (logits(path, digits.validation) for path in (model, written))
    assert np.mean(before.argmax(1) == after.argmax(1)) >= 0.97
    assert [path.name for path in context.folder.iterdir()] == ["model.onnx"]


def test_a_network_of_convolutions_is_no_case_for_it(
    trained: Trained, digits: Dataset, scheme: Scheme, context: StageContext
) -> None:
    stage = DynamicQuantization(trained("residual-cnn"), digits, 0.9, scheme(), runs_here=True)
    with pytest.raises(PromiseError, match=r"1 of 10 are matrix products; convolutions stay"):
        stage.run(context)


@pytest.mark.parametrize(
    "changes", [{}, {"reduce_range": True}, {"weight": "uint8", "per_channel": False}]
)
def test_weights_are_rounded_in_the_scheme_and_the_contract_stays(
    changes: dict[str, Any],
    trained: Trained,
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
) -> None:
    model = trained("mlp")
    DynamicQuantization(model, digits, 0.9, scheme(**changes), runs_here=True).run(context)
    before, after = onnx.load_model(model), onnx.load_model(context.folder / "model.onnx")
    assert after.graph.input == before.graph.input
    assert after.graph.output == before.graph.output
    assert after.metadata_props == before.metadata_props
    assert opset(after) == opset(before)
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in after.graph.initializer
        if tensor.name.endswith("_quantized")
    ]
    assert len(weights) == 3
    assert {array.dtype for array in weights} == {np.dtype(changes.get("weight", "int8"))}
    if changes.get("reduce_range"):
        assert max(int(np.abs(array.astype(int)).max()) for array in weights) <= 64
