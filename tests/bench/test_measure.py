from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgedistill.bench.measure import Candidate, Measuring, read_samples
from edgedistill.core.recipe import Benchmark
from edgedistill.core.stage import Advance, StageContext
from edgedistill.devices.fake import FakeTransport, Reply
from edgedistill.devices.local import LocalTransport
from edgedistill.errors import DeviceError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edgedistill.core.profile import Runtime
    from edgedistill.devices.transport import Transport
    from tests.bench.conftest import WriteModel

CONFIG = Benchmark(warmup_runs=1, rounds=10, runs_per_round=2)
INPUTS = {"input": np.ones((3, 4), np.float32)}
STATE = {"temperature_c": {}, "clock_mhz": {"policy0": 1800.0}, "load_average": 0.5}
FACTS = {
    "processor": "Cortex-A72",
    "board": "Raspberry Pi 4 Model B",
    "machine": "aarch64",
    "isa_flags": ["asimd"],
    "processors": 4,
    "governor": "performance",
    "operating_system": "Debian GNU/Linux 12 (bookworm), Linux 6.1",
    "python": "3.11.2",
    "numpy": "2.4.6",
    "onnxruntime": "1.31.1",
    "providers": ["CPUExecutionProvider"],
    "state": STATE,
}


class RecordingProgress:
    def __init__(self) -> None:
        self.bars: list[tuple[str, int]] = []
        self.done = 0

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Advance]:
        self.bars.append((title, total))

        def advance(amount: int = 1, *, note: str = "") -> None:
            self.done += amount

        yield advance

    def say(self, line: str) -> None:
        raise AssertionError(line)


def answering(change: Callable[[dict[str, Any]], object] = lambda result: None) -> FakeTransport:
    """A device on which each inference takes a microsecond; `change` spoils its answer."""

    def answer(arguments: Sequence[str], files: Mapping[str, bytes]) -> Reply:
        job = json.loads(files[arguments[-1]])
        if job["action"] == "facts":
            return Reply(files={job["result"]: json.dumps(FACTS).encode()})
        models = job["models"]
        times = {name: [[1000] * job["runs_per_round"]] * job["rounds"] for name in models}
        result = {
            "wall_ns": times,
            "cpu_ns": times,
            "orders": [sorted(models)] * job["rounds"],
            "sha256": {
                name: hashlib.sha256(files[file]).hexdigest() for name, file in models.items()
            },
            "before": STATE,
            "after": STATE,
            "facts": FACTS,
        }
        result = json.loads(json.dumps(result))
        change(result)
        lines = ["the runtime says hello", "{not json", '{"progress": 4, "total": 10}']
        return Reply(files={job["result"]: json.dumps(result).encode()}, lines=lines)

    return FakeTransport(answer)


@pytest.fixture
def measuring(write_model: WriteModel, runtime: Runtime) -> Callable[..., Measuring]:
    models = (Candidate("teacher", write_model("t.onnx")), Candidate("int8", write_model("i.onnx")))

    def make(transport: Transport, **changes: Any) -> Measuring:
        arguments = {
            "candidates": models,
            "inputs": INPUTS,
            "config": CONFIG,
            "transport": transport,
            "device": "a-device",
            "runtime": runtime,
        }
        return Measuring(**{**arguments, **changes})

    return make


def test_this_machine_is_measured(
    measuring: Callable[..., Measuring], folder: Path, write_model: WriteModel
) -> None:
    progress = RecordingProgress()
    result = measuring(LocalTransport()).run(StageContext(folder, seed=3, progress=progress))
    samples = read_samples(folder)
    assert [path.name for path in folder.iterdir()] == ["samples.json"]
    assert samples.conditions.device == "a-device"
    assert samples.conditions.threads == 1
    assert samples.conditions.runtime.startswith("onnxruntime ")
    assert samples.plan.seeds == (3,)
    assert {len(runs) for rounds in samples.wall_ns.values() for runs in rounds} == {2}
    expected = hashlib.sha256(write_model("t.onnx").read_bytes()).hexdigest()
    assert samples.sha256["teacher"] == expected
    assert progress.bars == [("Measuring 2 models on a-device", 10)]
    assert progress.done == 10
    assert set(result.facts["models"]) == {"teacher", "int8"}
    json.dumps(result.facts, allow_nan=False)


def test_the_conditions_are_the_devices(measuring: Callable[..., Measuring], folder: Path) -> None:
    fake = answering()
    progress = RecordingProgress()
    measuring(fake).run(StageContext(folder, progress=progress))
    conditions = read_samples(folder).conditions
    assert conditions.processor == "Cortex-A72"
    assert conditions.governor == "performance"
    assert conditions.isa_flags == ("asimd",)
    assert fake.runs == [("python", "worker.py", "job.json")] * 2
    assert progress.done == 4


def set_wall(value: object) -> Callable[[dict[str, Any]], None]:
    def change(result: dict[str, Any]) -> None:
        result["wall_ns"]["int8"][4][1] = value

    return change


def short_of_a_round(result: dict[str, Any]) -> None:
    result["cpu_ns"]["int8"].pop()


def short_of_a_model(result: dict[str, Any]) -> None:
    for key in ("wall_ns", "cpu_ns", "sha256"):
        del result[key]["int8"]
    result["orders"] = [["teacher"]] * 10


def another_model(result: dict[str, Any]) -> None:
    result["sha256"]["int8"] = "0" * 64


def another_governor(result: dict[str, Any]) -> None:
    result["facts"]["governor"] = "powersave"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (set_wall(0), r"wall_ns\.int8\.4\.1"),
        (set_wall(-1), r"wall_ns\.int8\.4\.1"),
        (set_wall(float("nan")), r"wall_ns\.int8\.4\.1"),
        (set_wall(None), r"wall_ns\.int8\.4\.1"),
        (short_of_a_round, r"cpu_ns\.int8 does not hold 10 rounds of 2 runs"),
        (short_of_a_model, "the models on the device are not those sent"),
        (another_model, "the models on the device are not those sent"),
        (another_governor, "the conditions changed while measuring"),
        (lambda result: result.pop("orders"), r"plan\.orders"),
        (lambda result: result.pop("facts"), "the device's facts"),
        (lambda result: result.pop("wall_ns"), "wall_ns: is missing"),
    ],
)
def test_an_answer_that_is_not_whole_is_refused(
    measuring: Callable[..., Measuring],
    folder: Path,
    change: Callable[[dict[str, Any]], object],
    word: str,
) -> None:
    with pytest.raises(DeviceError, match=word):
        measuring(answering(change)).run(StageContext(folder))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(exit_code=139, stderr="Segmentation fault"), "Segmentation fault"),
        (Reply(exit_code=2, lines=['{"error": "no such provider"}']), "^fake: no such provider$"),
        (Reply(files={"result.json": b'{"wall_ns": {"a'}), "is not whole JSON"),
        (Reply(files={"result.json": b"[]"}), "is not an object"),
        (Reply(), "no file result.json"),
    ],
)
def test_a_worker_that_dies_is_told(
    measuring: Callable[..., Measuring], folder: Path, reply: Reply, word: str
) -> None:
    with pytest.raises(DeviceError, match=word):
        measuring(FakeTransport(lambda arguments, files: reply)).run(StageContext(folder))
    assert list(folder.iterdir()) == []


def test_a_provider_that_is_not_there_is_never_replaced(
    measuring: Callable[..., Measuring], folder: Path, runtime: Runtime
) -> None:
    cuda = runtime.model_copy(update={"provider": "CUDAExecutionProvider"})
    with pytest.raises(DeviceError, match="CUDAExecutionProvider is not available here"):
        measuring(LocalTransport(), runtime=cuda).run(StageContext(folder))


def test_a_model_that_the_runtime_refuses_is_told_in_its_words(
    measuring: Callable[..., Measuring], folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(DeviceError, match="INVALID_PROTOBUF"):
        measuring(LocalTransport(), candidates=(Candidate("a", broken),)).run(StageContext(folder))


def test_all_bad_input_is_told_at_once(
    measuring: Callable[..., Measuring], folder: Path, tmp_path: Path
) -> None:
    candidates = tuple(Candidate("same", tmp_path / f"absent-{place}.onnx") for place in range(2))
    inputs = {"input": np.full((1, 4), np.nan, np.float32), "mask": np.ones((2, 4), np.float32)}
    stage = measuring(answering(), candidates=candidates, inputs=inputs)
    with pytest.raises(InputError) as caught:
        stage.run(StageContext(folder))
    problems = [fault.problem for fault in caught.value.faults]
    assert problems.count("there is no such model") == 2
    assert "holds NaN or infinity" in problems
    assert len(problems) == 5
