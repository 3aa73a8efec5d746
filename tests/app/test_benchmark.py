from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import yaml

import edgedistill
from edgedistill.core.evidence import Evidence
from edgedistill.core.opening import OpenedWith
from edgedistill.core.strict import plain
from edgedistill.errors import InputError
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
    assert read.session == OpenedWith(
        provider=read.conditions.provider, threads=read.conditions.threads
    )
    assert read.versions["onnxruntime"] == onnxruntime.__version__


def test_this_machine_can_be_said_to_be_a_device_unless_it_tells_otherwise(
    model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="not at hand"):
        edgedistill.benchmark(model, target="raspberry-pi-5")
    own = plain(edgedistill.target_profile("host"))
    own |= {"name": "farm-board", "title": "A board", "transport": "none"}
    file = tmp_path / "farm-board.yaml"
    file.write_text(yaml.safe_dump(own), encoding="utf-8")
    found = edgedistill.benchmark(
        model, target=str(file), on_device=True, rounds=10, runs_per_round=2
    )
    assert found.device_report().target == found.device_report().conditions.device == "farm-board"
    own["clusters"][0]["count"] += 1
    file.write_text(yaml.safe_dump(own), encoding="utf-8")
    with pytest.raises(InputError, match="is not this machine: the cores are"):
        edgedistill.benchmark(model, target=str(file), on_device=True)


def baseline(network: Path, **changes: object) -> Path:
    document = {
        "schema_version": 1,
        "kind": "edgedistill-baseline",
        "target": "host",
        "run": "demo",
        "model_sha256": file_sha256(network),
        "figures": {},
        "conditions": None,
        "edgedistill_version": "1.0",
    }
    file = network.parent / "baseline.json"
    file.write_text(json.dumps(document | changes), encoding="utf-8")
    return file


def test_the_ratio_to_a_baseline_travels_with_the_device_report(
    model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "device.json"
    found = edgedistill.benchmark(model, baseline=baseline(model), rounds=10, runs_per_round=2)
    found.save_device_report(file)
    relative = read_device_report(file).relative
    assert relative is not None
    assert relative.baseline_sha256 == file_sha256(model)
    assert set(relative.ratios) == {"latency_p50_ms", "latency_p90_ms", "latency_p95_ms"}
    assert any("latency_p50_ms over the baseline's 1.00x" in line for line in found.lines())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "raspberry-pi-5"}, "is the baseline of another target than host"),
        ({"model_sha256": "0" * 64}, "the baseline's ONNX file is not here"),
        ({"model_sha256": "0" * 64, "model": "model.onnx"}, "is not the baseline's model"),
    ],
)
def test_a_baseline_that_cannot_be_run_beside_the_model_is_refused(
    model: Path, changes: dict[str, object], words: str
) -> None:
    file = baseline(model, **changes)
    with pytest.raises(InputError, match=words):
        edgedistill.benchmark(model, baseline=file, rounds=10, runs_per_round=2)
