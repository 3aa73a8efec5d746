from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgedistill.core.teacher import Model
from edgedistill.errors import InputError
from edgedistill.models import Network, Signature
from edgedistill.models.quiet import quiet
from edgedistill.models.signature import Positional
from edgedistill.stages.quantize.backends import (
    Backend,
    NeuralCompressor,
    OnnxRuntime,
    Optimum,
    Request,
)
from edgedistill.stages.quantize.calibration import open_calibration
from edgedistill.stages.quantize.check import coverage_in_runtime
from edgedistill.stages.quantize.session import open_session
from edgedistill.stages.quantize.transform import prepare, tidy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset, Split

    Trained = Callable[[str], Path]
    Logits = Callable[[Path, Split], np.ndarray]
    Scheme = Callable[..., QuantizationScheme]


@pytest.fixture
def request_for(
    digits: Dataset, scheme: Scheme, context: StageContext, tmp_path: Path
) -> Callable[..., Request]:
    def make(model: Path, *, method: str = "min-max", **changes: object) -> Request:
        samples = open_calibration(digits.calibration, open_session(model, 1))
        prepared = prepare(onnx.load_model(model), tmp_path)
        return Request(prepared, samples, scheme(**changes), method, tmp_path, context)

    return make


@pytest.mark.parametrize("name", ["residual-cnn", "transformer"])
@pytest.mark.parametrize("backend", [OnnxRuntime(), Optimum()], ids=["onnxruntime", "optimum"])
def test_a_library_makes_an_int8_file_that_answers_as_the_float_one(
    backend: Backend,
    name: str,
    trained: Trained,
    digits: Dataset,
    logits: Logits,
    request_for: Callable[..., Request],
    tmp_path: Path,
) -> None:
    model = trained(name)
    asked = request_for(model)
    written = tmp_path / "int8.onnx"
    onnx.save_model(tidy(backend.quantize(asked), onnx.load_model(model)), written)
    assert coverage_in_runtime(written, tmp_path, 1).share >= 0.5
    split = digits.validation
    agreement = np.mean(logits(written, split).argmax(1) == logits(model, split).argmax(1))
    assert agreement >= 0.97


class Small(nn.Module):
    """A network of convolutions with normalization and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Linear(16, 10)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(input)))
        x = torch.relu(x + self.second(x))
        return self.head(x.mean((2, 3)))


def test_neural_compressor_quantizes_the_torch_network(
    digits: Dataset, logits: Logits, request_for: Callable[..., Request], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = Small().eval()
    network = Network(
        module=module,
        model=Model(source="live:small"),
        signature=Signature({"input": (1, 8, 8)}, classes=10),
        preprocessing=digits.preprocessing,
    )

    def export(given: nn.Module, file: Path) -> None:
        with quiet():
            torch.onnx.export(
                given,
                (torch.zeros(2, 1, 8, 8),),
                file,
                dynamo=True,
                opset_version=20,
                input_names=["input"],
                output_names=["logits"],
                dynamic_shapes=(({0: "batch"},),),
                external_data=False,
                verbose=False,
            )

    model = tmp_path / "float.onnx"
    export(Positional(module, ("input",)).eval(), model)
    asked = request_for(model)
    quantized = NeuralCompressor(network, export).quantize(asked)
    written = tmp_path / "int8.onnx"
    onnx.save_model(tidy(quantized, onnx.load_model(model)), written)
    graph = onnx.load_model(written).graph
    weights = {tensor.data_type for tensor in graph.initializer if len(tensor.dims) > 1}
    assert weights == {onnx.TensorProto.INT8}  # rounded in the file, not at run time
    assert coverage_in_runtime(written, tmp_path, 1).int8
    sample = digits.validation.batch(np.arange(64))
    folded, as_exported = (
        open_session(file, 1, optimize=False).run(None, sample)[0]
        for file in (written, tmp_path / "quantized.onnx")
    )
    assert np.array_equal(folded, as_exported)
    expected = logits(model, digits.validation)
    error = np.abs(logits(written, digits.validation) - expected).mean()
    assert error <= 0.1 * np.abs(expected).mean()


@pytest.mark.parametrize(
    ("backend", "changes", "field"),
    [
        (OnnxRuntime(), {"method": "mean-squared-error"}, "stages.quantize.calibration"),
        (Optimum(), {"method": "exponential-average"}, "stages.quantize.calibration"),
        ("neural-compressor", {"method": "entropy"}, "stages.quantize.calibration"),
        ("neural-compressor", {"activation": "int8"}, "stages.quantize.backend"),
    ],
)
def test_what_a_back_end_cannot_do_is_said(
    backend: Backend | str,
    changes: dict[str, str],
    field: str,
    trained: Trained,
    digits: Dataset,
    request_for: Callable[..., Request],
) -> None:
    if isinstance(backend, str):
        network = Network(
            module=Small(),
            model=Model(source="live:small"),
            signature=Signature({"input": (1, 8, 8)}, classes=10),
            preprocessing=digits.preprocessing,
        )
        backend = NeuralCompressor(network, lambda _module, _file: None)
    with pytest.raises(InputError) as error:
        backend.quantize(request_for(trained("mlp"), **changes))
    assert error.value.faults[0].field == field
