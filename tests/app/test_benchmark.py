from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

import edgedistill
from edgedistill.core.evidence import Evidence
from edgedistill.render.document import read_device_report
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def model(tmp_path: Path, onnx_classifier: Callable[..., Path]) -> Path:
    weight = np.random.default_rng(0).standard_normal((64, 10))
    return onnx_classifier(tmp_path / "model.onnx", weight, (8, 8))


def test_a_device_report_is_of_the_first_model_and_reads_back(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes())
    found = edgedistill.benchmark(model, against=[other], rounds=10, runs_per_round=2)
    file = tmp_path / "device.json"
    found.save_device_report(file)
    read = read_device_report(file)
    assert read == found.device_report()
    assert read.target == read.conditions.device == "host"
    assert read.model_sha256 == file_sha256(model)
    assert read.latency == found.models[0].latency
    assert read.latency is not None
    assert read.latency.speedup is None
    assert read.latency.p50_ms.evidence is Evidence.MEASURED_ON_DEVICE
    assert read.inputs == "synthetic"
    assert read.versions["onnxruntime"] == onnxruntime.__version__
