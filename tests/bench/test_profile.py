from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgedistill.bench.candidates import Candidate
from edgedistill.bench.operator_samples import OPERATOR_SAMPLES_FILE, read_operator_samples
from edgedistill.bench.profile import Profiling
from edgedistill.core.recipe import Benchmark
from edgedistill.core.stage import StageContext
from edgedistill.devices.fake import FakeTransport, Reply
from edgedistill.devices.local import LocalTransport
from edgedistill.errors import DeviceError, InputError
from tests.bench.test_measure import FACTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from edgedistill.core.profile import Runtime
    from edgedistill.devices.transport import Transport
    from tests.bench.conftest import WriteModel

CONFIG = Benchmark(warmup_runs=1, rounds=10, runs_per_round=2)
INPUTS = {"input": np.ones((3, 4), np.float32)}


def answering(change: Callable[[dict[str, Any]], object] = lambda result: None) -> FakeTransport:
    """A device on which each operator takes seven microseconds; `change` spoils its answer."""

    def answer(arguments: Sequence[str], files: Mapping[str, bytes]) -> Reply:
        job = json.loads(files[arguments[-1]])
        if job["action"] == "facts":
            return Reply(files={job["result"]: json.dumps(FACTS).encode()})
        tensor = {"type": "float", "shape": [1, 4]}
        operators = [
            {
                "name": name,
                "operator": "MatMul",
                "inputs": [tensor],
                "outputs": [tensor],
                "durations_us": [7] * job["rounds"],
            }
            for name in ("first", "second")
        ]
        models = job["models"]
        result = {
            "models": {name: {"operators": operators} for name in models},
            "sha256": {name: hashlib.sha256(files[models[name]]).hexdigest() for name in models},
            "facts": FACTS,
        }
        result = json.loads(json.dumps(result))
        change(result)
        return Reply(files={job["result"]: json.dumps(result).encode()})

    return FakeTransport(answer)


@pytest.fixture
def profiling(write_model: WriteModel, runtime: Runtime) -> Callable[..., Profiling]:
    models = (Candidate("teacher", write_model("t.onnx")), Candidate("int8", write_model("i.onnx")))

    def make(transport: Transport, **changes: Any) -> Profiling:
        arguments = {
            "candidates": models,
            "inputs": INPUTS,
            "config": CONFIG,
            "transport": transport,
            "device": "a-device",
            "runtime": runtime,
        }
        return Profiling(**{**arguments, **changes})

    return make


def test_every_operator_of_every_model_is_timed_here(
    profiling: Callable[..., Profiling], folder: Path, write_model: WriteModel
) -> None:
    result = profiling(LocalTransport()).run(StageContext(folder, seed=3))
    samples = read_operator_samples(folder)
    assert [path.name for path in folder.iterdir()] == [OPERATOR_SAMPLES_FILE]
    assert (samples.seed, samples.rounds, samples.warmup_runs) == (3, 10, 1)
    (only,) = samples.models["int8"].operators
    assert only.operator == "MatMul"
    assert only.inputs[0].shape == (1, 4)
    assert only.outputs[0].shape == (1, 3)
    assert len(only.durations_us) == 10
    expected = hashlib.sha256(write_model("t.onnx").read_bytes()).hexdigest()
    assert samples.sha256["teacher"] == expected
    assert result.facts["operators"] == {"teacher": 1, "int8": 1}


def test_a_loops_time_is_not_counted_twice(
    profiling: Callable[..., Profiling], folder: Path, tmp_path: Path
) -> None:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["goes"]),
            helper.make_node("MatMul", ["state", "square"], ["next"], "inside"),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Loop", ["times", "yes", "input"], ["looped"], "outside", body=body),
            helper.make_node("Neg", ["looped"], ["output"], "after"),
        ],
        "looping",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.array(5, np.int64), "times"),
            numpy_helper.from_array(np.array(True), "yes"),
            numpy_helper.from_array(np.eye(4, dtype=np.float32), "square"),
        ],
    )
    file = tmp_path / "loop.onnx"
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), file)
    profiling(LocalTransport(), candidates=(Candidate("loop", file),)).run(StageContext(folder))
    operators = read_operator_samples(folder).models["loop"].operators
    assert [one.operator for one in operators] == ["Loop", "Neg"]


def short_of_a_run(result: dict[str, Any]) -> None:
    result["models"]["int8"]["operators"][1]["durations_us"].pop()


def below_zero(result: dict[str, Any]) -> None:
    result["models"]["int8"]["operators"][0]["durations_us"][3] = -1


def short_of_a_model(result: dict[str, Any]) -> None:
    del result["models"]["int8"]


def another_model(result: dict[str, Any]) -> None:
    result["sha256"]["int8"] = "0" * 64


def another_governor(result: dict[str, Any]) -> None:
    result["facts"]["governor"] = "powersave"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (short_of_a_run, "operators were not all timed equally often"),
        (below_zero, r"durations_us\.3"),
        (short_of_a_model, "models holds other models than sha256"),
        (another_model, "the models on the device are not those sent"),
        (another_governor, "the conditions changed while measuring"),
    ],
)
def test_an_answer_that_is_not_whole_is_refused(
    profiling: Callable[..., Profiling],
    folder: Path,
    change: Callable[[dict[str, Any]], object],
    word: str,
) -> None:
    with pytest.raises(DeviceError, match=word):
        profiling(answering(change)).run(StageContext(folder))
    assert list(folder.iterdir()) == []


def test_a_model_that_is_not_there_is_refused(
    profiling: Callable[..., Profiling], folder: Path, tmp_path: Path
) -> None:
    absent = (Candidate("a", tmp_path / "absent.onnx"),)
    with pytest.raises(InputError, match="there is no such model"):
        profiling(answering(), candidates=absent).run(StageContext(folder))


def test_what_is_no_whole_document_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="is not there or no whole JSON"):
        read_operator_samples(folder)
