from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgedistill.core.evidence import Evidence
from edgedistill.cost.graph_memory import GraphMemory, Weights, count_memory
from edgedistill.cost.memory import BLOCKED, PLAIN, Growth, peak_memory, peak_memory_of

PROCESS = Path(__file__).parents[2] / "benchmarks" / "cost_memory_process.py"
NOTHING = Weights(convolution_bytes=0, matrix_bytes=0, quantized_bytes=0, other_bytes=0)


def graph(**changes: object) -> GraphMemory:
    given: dict[str, object] = {
        "weights": NOTHING,
        "activations_peak_bytes": 0,
        "peak_at": "conv",
        "nodes": 0,
    }
    return GraphMemory(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three convolutions over a large picture: activations of 70 MB, hardly any weights."""
    text = """<ir_version: 10, opset_import: ["" : 20]>
    g (float[1,8,768,768] input) => (float[1,1,1,1] out) {
        a = Conv <pads=[1,1,1,1]> (input, w)
        b = Relu (a)
        c = Conv <pads=[1,1,1,1]> (b, w)
        d = Add (b, c)
        e = Relu (d)
        out = ReduceMax (e)
    }"""
    model = onnx.parser.parse_model(text)
    weight = np.full((8, 8, 3, 3), 0.01, np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    path = tmp_path_factory.mktemp("pictures") / "pictures.onnx"
    onnx.save_model(model, path)
    return path


def grown(path: Path, mode: str, **environment: str) -> dict[str, int]:
    """What a process of its own says that it grew by."""
    done = subprocess.run(
        [sys.executable, str(PROCESS), str(path), mode],
        capture_output=True,
        check=True,
        text=True,
        env=os.environ | environment,
    )
    read: dict[str, int] = json.loads(done.stdout)
    return read


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_real_process_without_an_arena_holds_the_activations_that_were_counted(
    pictures: Path,
) -> None:
    measured = grown(pictures, "bare", MALLOC_MMAP_THRESHOLD_="16384")["activations_bytes"]
    counted = count_memory(pictures).activations_peak_bytes
    assert counted == pytest.approx(4 * 4 * 8 * 768**2, rel=0.01)
    assert measured == pytest.approx(counted, rel=0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_real_process_grows_by_about_what_was_estimated(pictures: Path) -> None:
    estimate = peak_memory(pictures)
    measured_mb = grown(pictures, "plain")["grown_bytes"] / 1e6
    assert 0.5 * estimate.low <= measured_mb <= 2.0 * estimate.high


def test_every_part_of_the_graph_adds_its_own_share() -> None:
    weights = Weights(convolution_bytes=10, matrix_bytes=100, quantized_bytes=1000, other_bytes=1)
    growth = Growth(
        process_bytes=1e6,
        node_bytes=5.0,
        convolution=1.0,
        matrix=2.0,
        quantized=3.0,
        other=4.0,
        activations=0.5,
        interval=PLAIN.interval,
        networks=1,
    )
    given = graph(weights=weights, activations_peak_bytes=20, nodes=2)
    assert growth.bytes_of(given) == 1e6 + 10 + 10 + 200 + 3000 + 4 + 10


def test_the_estimate_is_the_sum_in_megabytes_with_the_fits_interval() -> None:
    given = graph(activations_peak_bytes=10_000_000)
    found = peak_memory_of(given).added_mb
    assert found.value == pytest.approx((PLAIN.process_bytes + 1e7 * PLAIN.activations) / 1e6)
    assert found.low == pytest.approx(found.value * PLAIN.interval.low)
    assert found.high == pytest.approx(found.value * PLAIN.interval.high)
    assert (found.evidence, found.confidence) == (Evidence.ESTIMATED, 0.9)
    assert found.samples == PLAIN.networks


def test_x86_copies_convolutions_weights_into_a_layout_of_its_own() -> None:
    weights = Weights(convolution_bytes=10**8, matrix_bytes=0, quantized_bytes=0, other_bytes=0)
    given = graph(weights=weights)
    arm, x86 = (
        peak_memory_of(given, machine=machine).added_mb for machine in ("aarch64", "x86_64")
    )
    assert x86.value - arm.value == pytest.approx(
        100 * (BLOCKED.convolution - PLAIN.convolution), rel=0.05
    )
    assert "with the x86 layout" in x86.method
    assert "without the x86 layout" in arm.method


def test_the_method_names_weights_activations_and_where_the_peak_is() -> None:
    weights = Weights(convolution_bytes=3_000_000, matrix_bytes=0, quantized_bytes=0, other_bytes=0)
    given = graph(weights=weights, activations_peak_bytes=12_000_000, peak_at="up_2")
    method = peak_memory_of(given).added_mb.method
    assert "weights (3 MB)" in method
    assert "(12 MB, at 'up_2')" in method


def test_the_factors_are_those_of_the_benchmarks_record() -> None:
    record = json.loads(
        (PROCESS.parent / "results" / "cost_memory.json").read_text(encoding="utf-8")
    )
    for name, growth in (("plain", PLAIN), ("blocked", BLOCKED)):
        fitted = record["growth"][name]
        for field in ("process_bytes", "node_bytes", "convolution", "matrix", "quantized"):
            assert getattr(growth, field) == pytest.approx(fitted[field], rel=0.01), field
        for field in ("other", "activations", "networks"):
            assert getattr(growth, field) == pytest.approx(fitted[field], rel=0.01), field
        assert growth.interval.high == pytest.approx(fitted["interval"]["high"], rel=0.01)
        assert growth.interval.coverage_fraction == pytest.approx(
            fitted["interval"]["coverage_fraction"], abs=0.01
        )
