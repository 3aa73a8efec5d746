from __future__ import annotations

import ast
import errno
import hashlib
import json
import mmap
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgedistill import worker

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = Path(worker.__file__)
WEIGHT = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
CPU = {"provider": "CPUExecutionProvider", "threads": 1}

RASPBERRY_PI_4 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

Revision\t: d03114
Model\t\t: Raspberry Pi 4 Model B Rev 1.4
"""
BIG_LITTLE = """processor\t: 0
Features\t: fp asimd aes crc32 fphp asimdhp asimddp i8mm
CPU implementer\t: 0x41
CPU part\t: 0xd46

processor\t: 1
Features\t: fp asimd aes crc32 fphp asimdhp asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd4D
"""
XEON = """processor\t: 0
model name\t: Intel(R) Xeon(R) Processor
flags\t\t: fpu sse sse4_1 avx2 fma avx512_vnni hypervisor

processor\t: 1
model name\t: Intel(R) Xeon(R) Processor
flags\t\t: fpu sse sse4_1 avx2 fma avx512_vnni hypervisor
"""


def write_linear(path: Path, *, batch: int | str = "batch", output: str = "logits") -> Path:
    """logits = input @ WEIGHT, and the input itself as another output."""
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["input"], ["copy"]),
            helper.make_node("MatMul", ["input", "weight"], [output]),
        ],
        "linear",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 4])],
        [
            helper.make_tensor_value_info("copy", TensorProto.FLOAT, [batch, 4]),
            helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, 3]),
        ],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def write_job(folder: Path, job: Mapping[str, Any]) -> list[str]:
    """The command that runs a job."""
    (folder / "job.json").write_text(json.dumps({"result": "result.json", **job}))
    return [sys.executable, str(SOURCE), "job.json"]


def run(folder: Path, **job: Any) -> subprocess.CompletedProcess[str]:
    command = write_job(folder, job)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def result(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return document


def save_inputs(folder: Path, count: int) -> np.ndarray:
    values = np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32)
    np.savez(folder / "inputs.npz", input=values)
    return values


def test_it_is_one_file_for_old_pythons() -> None:
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}


def test_importing_it_imports_no_runtime() -> None:
    script = "import sys, edgedistill.worker; sys.exit('onnxruntime' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (RASPBERRY_PI_4, "Cortex-A72"),
        (BIG_LITTLE, "Cortex-A510 + Cortex-A715"),
        (XEON, "Intel(R) Xeon(R) Processor"),
        (RASPBERRY_PI_4.replace("0xd08", "0xfff"), "Arm part 0xfff"),
        (RASPBERRY_PI_4.replace("0x41", "0x51"), "implementer 0x51 part 0xd08"),
    ],
)
def test_the_processor_is_named(cpuinfo: str, name: str) -> None:
    assert worker.processor_name(cpuinfo) == name


@pytest.mark.parametrize(
    ("cpuinfo", "flags"),
    [
        (RASPBERRY_PI_4, ["asimd"]),
        (BIG_LITTLE, ["asimd", "asimddp", "asimdhp", "fphp"]),
        (XEON, ["avx2", "avx512_vnni", "fma", "sse4_1"]),
        ("", []),
    ],
)
def test_only_flags_that_choose_a_kernel_on_every_core_count(
    cpuinfo: str, flags: list[str]
) -> None:
    assert worker.isa_flags(cpuinfo) == flags


def test_governor_clocks_and_temperatures_are_read_where_they_are(tmp_path: Path) -> None:
    for policy, governor in (("policy0", "ondemand"), ("policy4", "performance")):
        folder = tmp_path / "devices/system/cpu/cpufreq" / policy
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{governor}\n")
        (folder / "scaling_cur_freq").write_text("1800000\n")
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("48312\n")
    (zone.with_name("thermal_zone1")).mkdir()
    assert worker.governor(tmp_path) == "ondemand + performance"
    state = worker.state(tmp_path)
    assert state["temperature_c"] == {"thermal_zone0": pytest.approx(48.312)}
    assert state["clock_mhz"] == {"policy0": 1800.0, "policy4": 1800.0}


def test_a_machine_that_tells_nothing_is_none(tmp_path: Path) -> None:
    assert worker.governor(tmp_path) is None
    assert worker.state(tmp_path)["temperature_c"] == {}


def test_facts_say_what_this_machine_is(tmp_path: Path) -> None:
    assert run(tmp_path, action="facts").returncode == 0
    facts = result(tmp_path)
    assert facts["numpy"] == np.__version__
    assert "CPUExecutionProvider" in facts["providers"]
    assert facts["processor"]


def measure_job(**changes: Any) -> dict[str, Any]:
    job = {
        "action": "measure",
        "models": {"a": "a.onnx", "b": "b.onnx", "c": "a.onnx"},
        "inputs": "inputs.npz",
        "warmup_runs": 2,
        "rounds": 12,
        "runs_per_round": 3,
        "seed": 7,
    }
    return {**job, **CPU, **changes}


def test_models_take_turns_in_an_order_drawn_from_the_seed(tmp_path: Path) -> None:
    write_linear(tmp_path / "a.onnx")
    write_linear(tmp_path / "b.onnx", batch=1)
    save_inputs(tmp_path, 2)
    orders = []
    for seed in (7, 7, 8):
        done = run(tmp_path, **measure_job(seed=seed))
        assert done.returncode == 0, done.stderr
        orders.append(result(tmp_path)["orders"])
    assert orders[0] == orders[1] != orders[2]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders[0])
    assert len({tuple(order) for order in orders[0]}) > 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines == [{"progress": k + 1, "total": 12} for k in range(12)]


def test_every_run_of_every_round_is_kept_by_both_clocks(tmp_path: Path) -> None:
    write_linear(tmp_path / "a.onnx")
    write_linear(tmp_path / "b.onnx")
    save_inputs(tmp_path, 1)
    assert run(tmp_path, **measure_job()).returncode == 0
    found = result(tmp_path)
    for clock in ("wall_ns", "cpu_ns"):
        assert set(found[clock]) == {"a", "b", "c"}
        for rounds in found[clock].values():
            assert [len(runs) for runs in rounds] == [3] * 12
            assert all(isinstance(run, int) and run > 0 for runs in rounds for run in runs)
    for name, file in (("a", "a.onnx"), ("b", "b.onnx"), ("c", "a.onnx")):
        digest = hashlib.sha256((tmp_path / file).read_bytes()).hexdigest()
        assert found["sha256"][name] == digest


@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize("output", ["logits", "other"])
def test_predict_writes_the_logits_of_all_samples(
    tmp_path: Path, batch: int | str, output: str
) -> None:
    write_linear(tmp_path / "model.onnx", batch=batch, output=output)
    values = save_inputs(tmp_path, 150)
    job = {"action": "predict", "model": "model.onnx", "inputs": "inputs.npz", "outputs": "o.npy"}
    done = run(tmp_path, **job, **CPU)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "o.npy", allow_pickle=False)
    expected = values @ WEIGHT if output == "logits" else values
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert json.loads(done.stdout.splitlines()[-1]) == {"progress": 150, "total": 150}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"provider": "CUDAExecutionProvider"}, "CUDAExecutionProvider is not available here"),
        ({"models": {"a": "eight.onnx"}}, "batches of [8] only"),
        ({"inputs": "wrong.npz"}, "takes the inputs ['input']; given were ['pixels']"),
        ({"inputs": "empty.npz"}, "the same number of samples, at least one"),
    ],
)
def test_what_the_job_did_wrong_is_one_clear_line(
    tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    write_linear(tmp_path / "a.onnx")
    write_linear(tmp_path / "eight.onnx", batch=8)
    save_inputs(tmp_path, 1)
    np.savez(tmp_path / "wrong.npz", pixels=np.zeros((1, 4), np.float32))
    np.savez(tmp_path / "empty.npz", input=np.zeros((0, 4), np.float32))
    done = run(tmp_path, **measure_job(**{"models": {"a": "a.onnx"}, **changes}))
    assert done.returncode == 2
    assert word in json.loads(done.stdout.splitlines()[-1])["error"]
    assert not (tmp_path / "result.json").exists()


def test_a_graph_runs_as_it_stands_in_the_file_where_the_job_says_so(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["input"], ["copy"]),
            helper.make_node("MatMul", ["copy", "weight"], ["logits"]),
        ],
        "a copy that nobody needs",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    for name in ("a.onnx", "b.onnx"):
        onnx.save(model, tmp_path / name)
    save_inputs(tmp_path, 1)
    job = {
        "action": "profile",
        "models": {"a": "a.onnx", "b": "b.onnx"},
        "inputs": "inputs.npz",
        "warmup_runs": 1,
        "rounds": 2,
        "seed": 0,
        "openings": {"b.onnx": {"provider_options": {}, "graph_optimization": "none"}},
    }
    assert run(tmp_path, **job, **CPU).returncode == 0
    found = {
        name: [one["operator"] for one in model["operators"]]
        for name, model in result(tmp_path)["models"].items()
    }
    assert found == {"a": ["MatMul"], "b": ["Identity", "MatMul"]}


def test_a_provider_gets_the_options_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    real, given = onnxruntime.InferenceSession, []

    def opening(*arguments: Any, **named: Any) -> onnxruntime.InferenceSession:
        given.append(named["providers"])
        return real(*arguments, **named)

    monkeypatch.setattr(onnxruntime, "InferenceSession", opening)
    path = str(write_linear(tmp_path / "a.onnx"))
    options = {"arena_extend_strategy": "kSameAsRequested"}
    worker.open_session(path, {**CPU, "openings": {path: {"provider_options": options}}})
    worker.open_session(path, {**CPU, "openings": {}})
    worker.open_session(path, CPU)
    assert given == [[(CPU["provider"], options)], *[[(CPU["provider"], {})]] * 2]


def test_a_session_that_fell_back_is_refused() -> None:
    worker.require_provider("CPUExecutionProvider", ["CPUExecutionProvider"], "m.onnx")
    for used in (["CPUExecutionProvider"], []):
        with pytest.raises(worker.JobError, match="did not take the provider CUDA"):
            worker.require_provider("CUDAExecutionProvider", used, "m.onnx")


def test_a_broken_model_fails_in_the_runtimes_words(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"not a model")
    save_inputs(tmp_path, 1)
    done = run(tmp_path, **measure_job(models={"a": "a.onnx"}))
    assert done.returncode == 1
    assert "INVALID_PROTOBUF" in done.stderr
    assert not (tmp_path / "result.json").exists()


def test_it_ends_when_its_host_is_gone(tmp_path: Path) -> None:
    write_linear(tmp_path / "a.onnx")
    save_inputs(tmp_path, 1)
    endless = measure_job(models={"a": "a.onnx"}, rounds=10**9, leash=True)
    command = write_job(tmp_path, endless)
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b'{"progress": 1')
        process.stdin.close()
        process.stdout.read()
        assert process.wait() == 3


def test_a_counter_counts_what_happens_in_between_and_nothing_else() -> None:
    page_faults = (1, 2)  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS
    try:
        counter = worker.Counter(page_faults)
    except OSError as error:
        pytest.skip(f"counters: {error}")

    def touch(pages: int) -> None:
        with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
            for page in range(pages):
                memory[page * mmap.PAGESIZE] = 1

    try:
        few, many = (counter.count(lambda n=n: touch(n)) for n in (10, 40))  # type: ignore[misc]
    finally:
        counter.close()
    assert many - few == 30


def test_instructions_are_counted_or_the_reason_is_told(tmp_path: Path) -> None:
    write_linear(tmp_path / "a.onnx")
    save_inputs(tmp_path, 2)
    plan = {"warmup_runs": 1, "rounds": 1, "runs_per_round": 1, "seed": 0}
    models = {"a": "a.onnx"}
    job = {"action": "measure", "models": models, "inputs": "inputs.npz", **plan}
    assert run(tmp_path, **job, **CPU).returncode == 0
    counted = result(tmp_path)["instructions"]
    assert bool(counted["runs"]) != bool(counted["reason"])
    assert all(count > 0 for count in counted["runs"].get("a", ()))
    assert run(tmp_path, **job, provider=CPU["provider"], threads=2).returncode == 0
    assert "of several threads those that wait" in result(tmp_path)["instructions"]["reason"]


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOENT, "shows no counter"),
        (errno.EACCES, "perf_event_paranoid is"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_why_nothing_is_counted_is_told_in_words(number: int, word: str) -> None:
    assert word in worker.Counter.why(number)


def test_profile_times_every_operator_in_every_round(tmp_path: Path) -> None:
    write_linear(tmp_path / "a.onnx")
    write_linear(tmp_path / "b.onnx", output="scores")
    save_inputs(tmp_path, 2)
    models = {"first": "a.onnx", "second": "b.onnx"}
    plan = {"warmup_runs": 2, "rounds": 3, "seed": 0}
    done = run(tmp_path, action="profile", models=models, inputs="inputs.npz", **plan, **CPU)
    assert done.returncode == 0, done.stderr
    told = result(tmp_path)["models"]
    assert set(told) == {"first", "second"}
    for operators in (told[name]["operators"] for name in models):
        assert "MatMul" in {one["operator"] for one in operators}
        assert {len(one["durations_us"]) for one in operators} == {3}


def test_of_operators_inside_of_others_only_the_outer_ones_count() -> None:
    def event(name: str, start: int, length: int) -> dict[str, Any]:
        return {"name": name, "ts": start, "dur": length}

    written = [
        event("first", 0, 0),
        event("second", 0, 5),
        event("inner", 6, 2),
        event("inner", 8, 3),
        event("loop", 5, 7),
        event("last", 12, 1),
    ]
    outer = [one["name"] for one in worker.outermost(written)]
    assert outer == ["first", "second", "loop", "last"]


def test_memory_is_what_a_process_grows_by(tmp_path: Path) -> None:
    """A network that multiplies with a matrix of 16 MB holds it at least once."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["input", "weight"], ["logits"])],
        "large",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2**20])],
        [numpy_helper.from_array(np.ones((4, 2**20), np.float32), "weight")],
    )
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "large.onnx")
    write_linear(tmp_path / "small.onnx")
    save_inputs(tmp_path, 2)
    grown = {}
    for name in ("large.onnx", "small.onnx"):
        job = {"action": "memory", "model": name, "inputs": "inputs.npz", "runs": 3}
        assert run(tmp_path, **job, **CPU).returncode == 0
        grown[name] = result(tmp_path)["grown_bytes"]
    assert 2**24 < grown["large.onnx"] - grown["small.onnx"] < 6 * 2**24


def test_a_system_that_does_not_tell_its_memory_is_refused() -> None:
    assert worker.status_bytes("VmPeak:\t 9 kB\nVmHWM:\t  12 kB\n", "VmHWM") == 12 * 1024
    with pytest.raises(worker.JobError, match="does not tell how much memory"):
        worker.status_bytes("", "VmHWM")
