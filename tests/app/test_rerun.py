from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from edgedistill.app.rerun import Effort, Rivals, rerun
from edgedistill.core.evidence import Evidence
from edgedistill.core.recipe import Benchmark
from edgedistill.core.relative_latency import NotRerun, RelativeLatency
from edgedistill.core.verdict import Outcome
from edgedistill.gate.judge import compare
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMITS = {"latency_p50_ms": 3.0}
QUICK = Effort(looks=(10,), plan=Benchmark(warmup_runs=1, rounds=10, runs_per_round=1))
"""Too little for a tight interval, enough for a generous limit."""


@pytest.fixture
def model(tmp_path: Path, onnx_classifier: Callable[..., Path]) -> Path:
    weight = np.random.default_rng(0).standard_normal((256, 64))
    return onnx_classifier(tmp_path / "model.onnx", weight, (16, 16))


@pytest.fixture
def twin(model: Path, tmp_path: Path) -> Path:
    """The same network in a file of other bytes."""
    loaded = onnx.load(model)
    loaded.doc_string = "another file"
    onnx.save(loaded, tmp_path / "twin.onnx")
    return tmp_path / "twin.onnx"


def rivals(model: Path, baseline: Path | None, **changes: object) -> Rivals:
    fields: dict[str, object] = {
        "target": "host",
        "runtime": "cpu",
        "threads": 1,
        "model": model,
        "model_sha256": file_sha256(model),
        "baseline": baseline,
        "baseline_sha256": file_sha256(baseline) if baseline else "0" * 64,
    }
    return Rivals(**(fields | changes))  # type: ignore[arg-type]


def test_a_twin_does_not_fail_a_generous_limit(model: Path, twin: Path) -> None:
    found = rerun(rivals(model, twin), LIMITS, confidence=0.9, effort=QUICK)
    assert isinstance(found, RelativeLatency)
    ratio = found.ratios["latency_p50_ms"]
    assert compare(ratio, 3.0) is not Outcome.FAIL
    assert ratio.evidence is Evidence.MEASURED_ON_DEVICE
    assert ratio.confidence == 0.9
    assert ratio.samples == found.starts == 10
    assert found.conditions is not None
    assert found.conditions.device == "host"
    assert found.conditions.threads == 1
    assert found.model_sha256 == file_sha256(model)
    assert found.baseline_sha256 == file_sha256(twin)


def test_the_same_file_has_the_ratio_1_on_any_device(model: Path) -> None:
    same = rivals(model, None, baseline_sha256=file_sha256(model), target="raspberry-pi-5")
    found = rerun(same, LIMITS)
    assert isinstance(found, RelativeLatency)
    ratio = found.ratios["latency_p50_ms"]
    assert (ratio.low, ratio.value, ratio.high, ratio.confidence) == (1.0, 1.0, 1.0, 1.0)
    assert ratio.evidence is Evidence.COUNTED
    assert found.starts == 0


def reason(found: RelativeLatency | NotRerun) -> str:
    assert isinstance(found, NotRerun)
    return found.reason


def test_without_the_baselines_file_there_is_no_ratio(model: Path, twin: Path) -> None:
    assert "--baseline-model" in reason(rerun(rivals(model, None), LIMITS))
    both = rivals(model, twin)
    twin.unlink()
    assert "the baseline's model, is not here" in reason(rerun(both, LIMITS))


def test_files_that_are_not_what_they_are_said_to_be_are_not_run(model: Path, twin: Path) -> None:
    other = rivals(model, twin, baseline_sha256="1" * 64)
    assert "is not the baseline's model" in reason(rerun(other, LIMITS))
    other = rivals(model, twin, model_sha256="1" * 64)
    assert "is not the model under test" in reason(rerun(other, LIMITS))


def test_a_device_that_is_not_here_is_not_replaced_by_this_machine(model: Path, twin: Path) -> None:
    found = reason(rerun(rivals(model, twin, target="raspberry-pi-5"), LIMITS))
    assert "raspberry-pi-5 is not at hand" in found
    assert "device report" in found


def test_what_cannot_run_side_by_side_says_why(
    model: Path, tmp_path: Path, onnx_classifier: Callable[..., Path]
) -> None:
    wider = onnx_classifier(tmp_path / "wider.onnx", np.zeros((64, 4)), (8, 8))
    assert "does not run on its inputs" in reason(rerun(rivals(model, wider), LIMITS))
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"not a model")
    assert "damaged.onnx" in reason(rerun(rivals(model, damaged), LIMITS))
    assert "is not a known target" in reason(rerun(rivals(model, wider, target="nowhere"), LIMITS))


def test_too_few_starts_for_the_confidence_are_no_ratio(model: Path, twin: Path) -> None:
    found = rerun(rivals(model, twin), LIMITS, effort=replace(QUICK, looks=(2,)))
    assert "too few" in reason(found)
