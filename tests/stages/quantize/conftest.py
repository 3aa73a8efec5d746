from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.core.profile import QuantizationScheme
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.data.dataset import Dataset, Split
from edgedistill.models import Signature, build
from edgedistill.stages.quantize.calibration import CalibrationSet, calibrate
from edgedistill.stages.quantize.placement import place
from edgedistill.stages.quantize.transform import prepare, quantize, tidy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIXELS = Preprocessing(
    kind="image", color="grey", scale=1 / 16, mean=(0.3,), std=(0.4,), layout="nchw"
)
PICTURE = Signature({"input": (1, 8, 8)}, classes=10)


class Vision(nn.Module):
    """A vision transformer of one block."""

    def __init__(self, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(1, width, 2, 2)
        self.places = nn.Parameter(torch.randn(1, 16, width) * 0.02)
        self.before = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.head = nn.Linear(width, 10)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        x = self.patches(input).flatten(2).transpose(1, 2) + self.places
        batch, length, width = x.shape
        parts = self.query_key_value(self.before(x))
        parts = parts.reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weights = (query @ key.transpose(-1, -2) * 0.25).softmax(-1)
        x = x + self.mix((weights @ value).transpose(1, 2).reshape(batch, length, width))
        x = x + self.narrow(nn.functional.gelu(self.wide(self.between(x))))
        return self.head(x.mean(1))


def _network(name: str, base: Path) -> nn.Module:
    torch.manual_seed(0)
    if name == "transformer":
        return Vision()
    arguments = {
        "residual-cnn": {"width": 16},
        "depthwise-cnn": {"width": 16, "residual": True},
        "mlp": {"width": 64},
    }
    model = Model(source=f"builtin:{name}", args=arguments[name])
    return build(model, PICTURE, base=base, seed=0)


def _teach(module: nn.Module, split: Split, *, epochs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.from_numpy(split.batch(np.arange(len(split)))["input"])
    labels = torch.from_numpy(split.labels)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    module.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(split), generator=generator).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs[batch]), labels[batch]).backward()
            optimizer.step()


def _export(module: nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            module.eval(),
            (torch.zeros(2, 1, 8, 8),),
            path,
            dynamo=True,
            opset_version=20,
            input_names=["input"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
            external_data=False,
            verbose=False,
        )
    model = onnx.load_model(path)
    model.metadata_props.add(key=METADATA_KEY, value=PIXELS.model_dump_json())
    onnx.save_model(model, path)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """Real digits: 1200 to learn from, 64 of them to calibrate with, 597 to be judged by."""
    source = load_digits()
    pixels = source.images.astype(np.uint8)[..., None]
    labels = source.target.astype(np.int64)

    def split(start: int, stop: int) -> Split:
        return Split(
            inputs={"input": pixels[start:stop]},
            labels=labels[start:stop],
            groups=None,
            preprocessing=PIXELS,
            augmentation=Augmentation(),
        )

    return Dataset(
        name="digits",
        source="sklearn:digits",
        sha256="0" * 64,
        class_names=tuple("0123456789"),
        preprocessing=PIXELS,
        train=split(0, 1200),
        validation=split(1200, 1797),
        test=None,
        calibration=split(0, 64),
    )


@pytest.fixture(scope="session")
def trained(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The float ONNX file of a network that has learned the digits."""
    folder = tmp_path_factory.mktemp("trained")

    def make(name: str) -> Path:
        path = folder / f"{name}.onnx"
        if not path.exists():
            torch.set_num_threads(1)
            module = _network(name, folder)
            _teach(module, digits.train, epochs=20 if name == "transformer" else 6)
            _export(module, path)
        return path

    return make


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    folder = tmp_path / "step"
    folder.mkdir()
    return StageContext(folder=folder)


@pytest.fixture
def scheme() -> Callable[..., QuantizationScheme]:
    def make(**changes: object) -> QuantizationScheme:
        return QuantizationScheme.model_validate(
            {"activation": "uint8", "reason": "a test", **changes}
        )

    return make


@pytest.fixture(scope="session")
def logits() -> Callable[[Path, Split], np.ndarray]:
    """What a file answers on a whole split."""

    def run(path: Path, split: Split) -> np.ndarray:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(None, split.batch(np.arange(len(split))))[0]

    return run


@pytest.fixture(scope="session")
def initializers() -> Callable[[Path], dict[str, np.ndarray]]:
    """The constants of a file by name."""

    def read(path: Path) -> dict[str, np.ndarray]:
        graph = onnx.load_model(path).graph
        return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}

    return read


@pytest.fixture(scope="session")
def heavy() -> Callable[[Path], int]:
    """How many operators of a float file multiply matrices."""

    def number(path: Path) -> int:
        nodes = onnx.load_model(path).graph.node
        return sum(node.op_type in ("Conv", "Gemm", "MatMul") for node in nodes)

    return number


@pytest.fixture(scope="session")
def quantizing(
    digits: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., onnx.ModelProto]:
    """A prepared graph in int8, calibrated on digits."""
    folder = tmp_path_factory.mktemp("quantizing")
    samples = CalibrationSet(digits.calibration, {"input": "input"})

    def make(prepared: onnx.ModelProto, **scheme: object) -> onnx.ModelProto:
        file = folder / "prepared.onnx"
        onnx.save_model(prepared, file)
        chosen = QuantizationScheme.model_validate(
            {"activation": "uint8", "reason": "a test", **scheme}
        )
        placement = place(prepared.graph)
        context = StageContext(folder=folder)
        ranges = calibrate(file, samples, placement.operators, context, method="min-max")
        return tidy(quantize(file, ranges, placement, chosen), prepared)

    return make


@pytest.fixture(scope="session")
def pairs(
    trained: Callable[[str], Path],
    digits: Dataset,
    quantizing: Callable[..., onnx.ModelProto],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., tuple[onnx.ModelProto, onnx.ModelProto, CalibrationSet]]:
    """A network that has learned the digits: as prepared, in int8, and what calibrated it."""
    folder = tmp_path_factory.mktemp("pairs")
    samples = CalibrationSet(digits.calibration, {"input": "input"})

    def make(
        name: str, **scheme: object
    ) -> tuple[onnx.ModelProto, onnx.ModelProto, CalibrationSet]:
        prepared = onnx.load_model(prepare(onnx.load_model(trained(name)), folder))
        return prepared, quantizing(prepared, **scheme), samples

    return make
