from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest

from edgedistill.core.quantizing import Quantize
from edgedistill.stages.quantize import Quantization
from edgedistill.stages.quantize.check import Coverage, coverage_in_file, coverage_in_runtime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset


@pytest.fixture
def quantized(
    trained: Callable[[str], Path],
    digits: Dataset,
    scheme: Callable[..., QuantizationScheme],
    context: StageContext,
) -> Path:
    stage = Quantization(trained("residual-cnn"), digits, Quantize(), scheme(), runs_here=True)
    stage.run(context)
    return context.folder / "model.onnx"


def test_a_float_model_has_nothing_in_int8(trained: Callable[[str], Path], tmp_path: Path) -> None:
    model = trained("residual-cnn")
    for coverage in (
        coverage_in_file(onnx.load_model(model)),
        coverage_in_runtime(model, tmp_path, 1),
    ):
        assert coverage.int8 == ()
        assert len(coverage.floating) > 5
        assert coverage.share == 0


def test_the_optimized_graph_holds_the_same_number_of_heavy_operators(
    quantized: Path, tmp_path: Path
) -> None:
    in_file = coverage_in_file(onnx.load_model(quantized))
    in_runtime = coverage_in_runtime(quantized, tmp_path, 1)
    assert len(in_file.int8) == len(in_runtime.int8)
    assert in_file.share == in_runtime.share == 1


@pytest.mark.parametrize("place", [0, 1])
def test_an_input_that_is_not_quantized_is_found(quantized: Path, place: int) -> None:
    model = onnx.load_model(quantized)
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    producer = next(node for node in model.graph.node if node.output[0] == convolution.input[place])
    producer.op_type = "Cast"
    assert coverage_in_file(model).floating == (f"Conv {convolution.name}",)


def test_an_output_that_is_not_quantized_is_found_in_both_ways(
    quantized: Path, tmp_path: Path
) -> None:
    model = onnx.load_model(quantized)
    graph = model.graph
    convolution = [node for node in graph.node if node.op_type == "Conv"][1]
    quantize = next(node for node in graph.node if node.input[0] == convolution.output[0])
    dequantize = next(node for node in graph.node if node.input[0] == quantize.output[0])
    convolution.output[0] = dequantize.output[0]
    graph.node.remove(quantize)
    graph.node.remove(dequantize)
    path = tmp_path / "broken.onnx"
    onnx.save_model(model, path)
    # its reader gets no quantized input any more, and is float with it
    assert f"Conv {convolution.name}" in coverage_in_file(model).floating
    in_runtime = coverage_in_runtime(path, tmp_path, 1).floating
    assert len(in_runtime) == len(coverage_in_file(model).floating)


def test_no_heavy_operator_is_no_share() -> None:
    assert Coverage((), ()).share == 0
    assert Coverage(("Conv a",), ("Conv b",)).share == 0.5
