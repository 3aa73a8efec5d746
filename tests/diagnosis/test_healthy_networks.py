"""Networks that this product makes and quantizes itself give no alarm."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

import edgedistill
from edgedistill.core.findings import Severity
from edgedistill.core.profile import QuantizationScheme
from edgedistill.core.quantizing import Quantize
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.models import Signature, build
from edgedistill.stages.quantize.stage import Quantization

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (3, 32, 32)


def _inverted(before: int, after: int, stride: int) -> nn.Sequential:
    """The bottleneck of Sandler et al. (2018), table 1, with expansion 4."""
    wide = 4 * before
    return nn.Sequential(
        *(nn.Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
        nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
        *(nn.BatchNorm2d(wide), nn.ReLU6()),
        *(nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after)),
    )


class _Residual(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def _mobilenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()),
        _inverted(16, 24, 2),
        _Residual(_inverted(24, 24, 1)),
        _inverted(24, 32, 2),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )


def _network(name: str, folder: Path) -> nn.Module:
    torch.manual_seed(0)
    if name == "mobilenet":
        return _mobilenet()
    signature = Signature({"input": SHAPE}, classes=10)
    return build(
        Model(source=f"builtin:{name}", args={"width": 16}), signature, base=folder, seed=0
    )


def _export(module: nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            module.eval(),
            (torch.zeros(2, *SHAPE),),
            path,
            dynamo=True,
            opset_version=20,
            input_names=["input"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
            external_data=False,
            verbose=False,
        )


class _Samples:
    """Random pictures to calibrate with."""

    def __init__(self) -> None:
        pictures = np.random.default_rng(0).standard_normal((8, *SHAPE))
        self.inputs = {"input": pictures.astype(np.float32)}

    def __len__(self) -> int:
        return len(self.inputs["input"])

    def batch(self, places: np.ndarray) -> dict[str, np.ndarray]:
        return {"input": self.inputs["input"][places]}


@pytest.mark.parametrize("name", ["residual-cnn", "depthwise-cnn", "mobilenet"])
def test_what_this_product_quantizes_gives_no_alarm(name: str, tmp_path: Path) -> None:
    path = tmp_path / "float.onnx"
    _export(_network(name, tmp_path), path)
    step = tmp_path / "step"
    step.mkdir()
    Quantization(
        model=path,
        dataset=SimpleNamespace(calibration=_Samples()),
        config=Quantize(),
        scheme=QuantizationScheme(activation="uint8", reason="a test"),
        runs_here=True,
    ).run(StageContext(folder=step))
    for file in (path, step / "model.onnx"):
        for target in ("host", "raspberry-pi-5"):
            found = edgedistill.doctor(file, target=target)
            alarms = [one.code for one in found.findings if one.severity is not Severity.NOTE]
            assert alarms == []
    assert found.int8.operators_fraction == 1.0
