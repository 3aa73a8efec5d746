from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import yaml
from onnx import helper

from edgedistill.cli.schema import KINDS

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
schema_version: 1
name: tiny
threads: 1
data: {source: sklearn:digits, splits: {validation: 0.2, test: 0.2, calibration: 32}}
teacher:
  source: builtin:mlp
  args: {width: 32}
  train: {epochs: 1, batch_size: 128}
student: {source: builtin:mlp, args: {width: 32, depth: 1}}
stages:
  distill: {train: {epochs: 1, batch_size: 128}}
  benchmark: {rounds: 10, runs_per_round: 2, warmup_runs: 1}
targets:
  host: {budget: {latency_p50_ms: 1000.0}}
"""


TAKE_WEIGHTS = ("--set", "teacher.train=null")


def _run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgedistill", *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and its finished run in `run`."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "recipe.yaml").write_text(RECIPE)
    ended = _run("compress", "recipe.yaml", "--out", "run", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder


def test_compress_prints_the_table_and_where_the_model_is(finished: Path) -> None:
    again = _run("compress", "recipe.yaml", "--out", "run", cwd=finished)
    assert again.returncode == 0
    assert "Nothing to do" in again.stdout
    assert "host: run/targets/host/model.onnx" in again.stdout
    assert "PASS" in again.stdout
    assert "\x1b" not in again.stdout + again.stderr


def test_gate_exits_by_verdict(finished: Path) -> None:
    passed = _run("gate", "run", cwd=finished)
    assert (passed.returncode, passed.stdout.splitlines()[-1]) == (0, "PASS")


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("targets.host.budget={max_size_mb: 0.000001}", 1),
        ("targets.host.budget={max_size_mb: 100.0}", 0),
    ],
)
def test_a_new_budget_is_judged_without_running_anything_again(
    finished: Path, setting: str, code: int
) -> None:
    ended = _run("compress", "recipe.yaml", "--out", "run", "--set", setting, cwd=finished)
    assert ended.returncode == 0
    assert "Nothing to do" in ended.stdout
    assert _run("gate", "run", cwd=finished).returncode == code


def test_a_sweep_plans_several_students_and_takes_what_the_run_has(finished: Path) -> None:
    sweep = ("--sweep", "student.width=0.25,0.5,1", "--dry-run")
    planned = _run("compress", "recipe.yaml", "--out", "run", *sweep, cwd=finished)
    assert planned.returncode == 0, planned.stderr
    lines = [line.lstrip("│├└─ ") for line in planned.stdout.splitlines()]
    state = {line.partition(" [")[0].strip(): line.rpartition("[")[2] for line in lines}
    for shared in ("data: read", "teacher: train", "answers: ask", "distill: width-1: "):
        assert [found for step, found in state.items() if step.startswith(shared)] == [
            "stored; all targets]"
        ], shared
    for made in ("distill: width-0.25: ", "distill: width-0.5: "):
        assert [found for step, found in state.items() if step.startswith(made)] == [
            "to run; all targets]"
        ], made


def test_benchmark_measures_a_file_and_writes_json(finished: Path) -> None:
    model = "run/targets/host/waterfall/teacher.onnx"
    ended = _run(
        *("benchmark", model, "--rounds", "10", "--runs-per-round", "2"),
        *("--recipe", "recipe.yaml", "--json", "figures.json"),
        cwd=finished,
    )
    assert ended.returncode == 0, ended.stderr
    assert "measured-on-device" in ended.stdout
    figures = json.loads((finished / "figures.json").read_text())
    assert figures["models"][0]["latency"]["p50_ms"]["value"] > 0
    assert figures["models"][0]["accuracy"]["samples"] == 359


def test_benchmark_takes_random_inputs_where_no_data_is_given(finished: Path) -> None:
    first = "run/targets/host/waterfall/teacher.onnx"
    other = "run/targets/host/waterfall/distilled.onnx"
    ended = _run(
        *("benchmark", first, "--against", other, "--rounds", "10", "--runs-per-round", "2"),
        cwd=finished,
    )
    assert ended.returncode == 0, ended.stderr
    assert "synthetic inputs" in ended.stdout
    assert "speed against the first" in ended.stdout


def _onnx(path: Path, operator: str, *, name: str = "x", width: int = 3, domain: str = "") -> str:
    shape = ["batch", width]
    value = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(operator, [name], ["y"], domain=domain)],
        "graph",
        [helper.make_tensor_value_info(name, value, shape)],
        [helper.make_tensor_value_info("y", value, shape)],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("custom", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path.name


@pytest.mark.parametrize("bad", ["text", "operator", "name", "shape", "missing"])
def test_a_file_that_cannot_be_measured_beside_the_first_is_named(tmp_path: Path, bad: str) -> None:
    first = _onnx(tmp_path / "first.onnx", "Relu")
    other = tmp_path / "other.onnx"
    if bad == "text":
        other.write_text("not a model")
    elif bad == "operator":
        _onnx(other, "Unknown", domain="custom")
    elif bad == "name":
        _onnx(other, "Relu", name="z")
    elif bad == "shape":
        _onnx(other, "Relu", width=4)
    ended = _run("benchmark", first, "--against", other.name, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert "other.onnx" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_with_other_preprocessing_is_refused(finished: Path) -> None:
    recipe = yaml.safe_load(RECIPE)
    recipe["data"]["preprocessing"] = {
        "kind": "image",
        "color": "grey",
        "scale": 0.5,
        "layout": "nchw",
    }
    (finished / "other.yaml").write_text(yaml.safe_dump(recipe))
    ended = _run(
        *("benchmark", "run/targets/host/model.onnx", "--recipe", "other.yaml"), cwd=finished
    )
    assert ended.returncode == 2
    assert "edgedistill.preprocessing.scale" in ended.stderr


def test_init_writes_a_recipe_that_plans_and_never_overwrites(tmp_path: Path) -> None:
    assert _run("init", "project", cwd=tmp_path).returncode == 0
    planned = _run("compress", "project/recipe.yaml", "--dry-run", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "└─ " in planned.stdout
    assert not (tmp_path / "runs").exists()
    schema = json.loads((tmp_path / "project" / "recipe.schema.json").read_text())
    assert schema["properties"]["schema_version"]["const"] == 1
    again = _run("init", "project", cwd=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_schema_prints_json_schema(tmp_path: Path, kind: str) -> None:
    ended = _run("schema", kind, cwd=tmp_path)
    assert json.loads(ended.stdout)["additionalProperties"] is False


def test_targets_list_names_every_profile(tmp_path: Path) -> None:
    ended = _run("targets", "list", cwd=tmp_path)
    names = [line.split()[0] for line in ended.stdout.splitlines()]
    assert {"host", "raspberry-pi-4", "raspberry-pi-5", "jetson-orin-nano"} <= set(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compress",), "Give a RECIPE file or --example NAME"),
        (("compress", "missing.yaml"), "missing.yaml"),
        (("compress", "--example", "minst"), "Did you mean 'mnist'?"),
        (("compress", "recipe.yaml", "--set", "stages.prun.macs_ratio=0.5"), "stages.prun"),
        (("compress", "recipe.yaml", "--set", "data.splits.test=.nan"), "data.splits.test"),
        (("compress", "recipe.yaml", "--set", "data.source=npz:no.npz"), "no.npz"),
        (("compress", "recipe.yaml", "--set", "data.source=sklearn:digts"), "digits"),
        (
            ("compress", "recipe.yaml", *TAKE_WEIGHTS, "--set", "teacher.weights=teacher.pt"),
            "safetensors",
        ),
        (("compress", "recipe.yaml", "--set", "teacher.source=builtin:resnet"), "builtin"),
        (("compress", "recipe.yaml", "--set", "student.args.widht=3"), "width"),
        (("compress", "recipe.yaml", "--target", "raspbery-pi-4"), "raspberry-pi-4"),
        (("compress", "recipe.yaml", "--out", "recipe.yaml"), "cannot be used as a run folder"),
        (("gate", "nowhere"), "is neither a run folder nor a report"),
        (("benchmark", "recipe.yaml"), "recipe.yaml"),
        (("benchmark", "no.onnx"), "no.onnx"),
        (("benchmark", "no.onnx", "--target", "raspberry-pi-4"), "not at hand"),
        (("frobnicate",), "No such command"),
    ],
)
def test_bad_input_is_one_clear_error_with_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "teacher.pt").write_bytes(b"\x80\x04pickle")
    ended = _run(*arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    left = {path.name for path in tmp_path.iterdir()} - {"recipe.yaml", "teacher.pt", "runs"}
    assert not left
    assert not list(tmp_path.glob("runs/*/targets"))


def test_labels_outside_the_class_range_are_told(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "data.npz",
        inputs=np.zeros((20, 4), np.float32),
        labels=np.array([0, 1] * 9 + [2, 7]),
        class_names=np.array(["a", "b", "c"]),
    )
    recipe = yaml.safe_load(RECIPE)
    recipe["data"] = {"source": "npz:data.npz", "preprocessing": {"kind": "array"}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    ended = _run("compress", "recipe.yaml", cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert "data.npz" in ended.stderr
    assert "7" in ended.stderr


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    recipe = yaml.safe_load(RECIPE)
    recipe["teacher"]["train"]["epochs"] = 10_000
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "edgedistill", "compress", "recipe.yaml", "--out", "run"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "training the teacher" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert "Finished steps are kept in run; go on with the same command" in rest
    assert "Traceback" not in rest
    left = {path.name.split("-")[0] for path in (tmp_path / "run" / "steps").iterdir()}
    assert left <= {"data", ".checkpoint"}  # the epochs that were whole are kept, too


def test_an_internal_error_is_not_a_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import edgedistill
    from edgedistill.__main__ import main

    def broken(*_paths: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(edgedistill, "judge", broken, raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["gate", "somewhere"])
    assert ended.value.code == 70
    assert "internal error" in capsys.readouterr().err
