from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgedistill.bench.samples import Samples
from edgedistill.core.profile import Runtime

if TYPE_CHECKING:
    from pathlib import Path


class WriteModel(Protocol):
    def __call__(
        self, name: str, *, weight: np.ndarray | None = None, batch: int | str = "batch"
    ) -> Path: ...


@pytest.fixture
def weight() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


@pytest.fixture
def write_model(tmp_path: Path, weight: np.ndarray) -> WriteModel:
    """Writes a model with logits = input @ weight."""
    usual = weight

    def write(name: str, *, weight: np.ndarray | None = None, batch: int | str = "batch") -> Path:
        values = usual if weight is None else weight
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["input", "weight"], ["logits"])],
            "linear",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 4])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3])],
            [numpy_helper.from_array(values, "weight")],
        )
        opset = [helper.make_opsetid("", 20)]
        path = tmp_path / name
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
        return path

    return write


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(
        provider="CPUExecutionProvider",
        max_opset=23,
        max_ir_version=11,
        precisions=("fp32",),
        default_precision="fp32",
        source="a test",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "step"
    path.mkdir()
    return path


class MakeSamples(Protocol):
    def __call__(
        self,
        wall_ns: dict[str, list[list[int]]],
        cpu_ns: dict[str, list[list[int]]] | None = None,
        **conditions: object,
    ) -> Samples: ...


@pytest.fixture
def make_samples() -> MakeSamples:
    """Samples as `samples.json` would hold them; processor time is wall time unless given."""

    def make(
        wall_ns: dict[str, list[list[int]]],
        cpu_ns: dict[str, list[list[int]]] | None = None,
        **conditions: object,
    ) -> Samples:
        first = next(iter(wall_ns.values()))
        surroundings = {"temperature_c": {}, "clock_mhz": {}, "load_average": 0.1}
        document = {
            "conditions": {
                "device": "a-device",
                "processor": "Cortex-A72",
                "machine": "aarch64",
                "runtime": "onnxruntime 1.31.1",
                "provider": "CPUExecutionProvider",
                "threads": 1,
                "operating_system": "Debian",
                **conditions,
            },
            "plan": {
                "warmup_runs": 1,
                "rounds": len(first),
                "runs_per_round": len(first[0]),
                "seeds": [0],
                "orders": [sorted(wall_ns)] * len(first),
            },
            "sha256": {name: f"hash of {name}" for name in wall_ns},
            "wall_ns": wall_ns,
            "cpu_ns": wall_ns if cpu_ns is None else cpu_ns,
            "before": surroundings,
            "after": surroundings,
        }
        return Samples.read(document, file="a test")

    return make
