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
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from edgedistill.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = (
    *("--size", "8x8", "--channels", "rgb", "--scale", "1/255"),
    *("--mean", "0.5,0.4,0.3", "--std", "0.2", "--layout", "nchw"),
)
QUICK = ("--rounds", "10", "--runs-per-round", "1", "--threads", "1")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "edgedistill", "quantize", *arguments]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with net.onnx, which takes pictures of 8 x 8, and 40 pictures below pictures."""
    generator = np.random.default_rng(0)
    weights = {
        "kernel": generator.standard_normal((4, 3, 3, 3)),
        "head": generator.standard_normal((256, 5)),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["seen"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["seen"], ["lit"]),
            helper.make_node("Flatten", ["lit"], ["flat"]),
            helper.make_node("Gemm", ["flat", "head"], ["scores"]),
        ],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "net.onnx")
    (tmp_path / "pictures").mkdir()
    for place in range(40):
        pixels = generator.integers(0, 256, (12, 10, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{place}.png")
    return tmp_path


def test_a_run_prints_a_table_the_reason_and_where_the_model_is(project: Path) -> None:
    ended = run("net.onnx", "--data", "pictures", *FLAGS, *QUICK, cwd=project)
    assert ended.returncode == 0, ended.stderr
    assert "agreement" in ended.stdout
    assert "Ships model.onnx" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "net.host/model.onnx"
    report = json.loads((project / "net.host" / "report.json").read_text())
    assert report["kind"] == "edgedistill-quantize"
    assert report["preprocessing"]["mean"] == [0.5, 0.4, 0.3]
    assert report["preprocessing"]["scale"] == pytest.approx(1 / 255)
    again = run("net.onnx", "--data", "pictures", *FLAGS, *QUICK, cwd=project)
    assert "Nothing to do" in again.stdout
    assert str(project) not in (project / "net.host" / "report.json").read_text()


def test_a_larger_resize_is_cut_to_the_size(project: Path) -> None:
    ended = run(
        *("net.onnx", "--data", "pictures", *FLAGS, *QUICK, "--resize", "10", "--plain"),
        *("--out", "run"),
        cwd=project,
    )
    assert ended.returncode == 0, ended.stderr
    declared = json.loads((project / "run" / "report.json").read_text())["preprocessing"]
    assert (declared["resize"], declared["center_crop"]) == ([10, 10], [8, 8])


def test_what_is_absent_is_asked_for_all_at_once(project: Path) -> None:
    ended = run("net.onnx", "--data", "pictures", cwd=project)
    assert ended.returncode == 2
    for flag in ("--size", "--channels", "--scale", "--mean", "--std", "--layout"):
        assert flag in ended.stderr
    assert not (project / "net.host").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "nowhere"), "nowhere: does not exist"),
        (("--data", "pictures", "--target", "raspbery-pi-4"), "raspberry-pi-4"),
        (("--data", "pictures", *FLAGS, "--size", "big"), "is not HEIGHTxWIDTH"),
        (("--data", "pictures", *FLAGS, "--mean", "a,b"), "is not a number"),
        (("--data", "pictures", *FLAGS, "--scale", "1/0"), "is not a number"),
        (("--data", "pictures", *FLAGS, "--std", "0"), "std must be above zero"),
        (("--data", "pictures", *FLAGS, "--std", "nan"), "std"),
        (("--data", "pictures", *FLAGS, "--shape", "image"), "is not NAME=1x3x224x224"),
        (("--data", "pictures", *FLAGS, "--shape", "x=1x2"), "names no input"),
        (("--data", "pictures", *FLAGS, "--min-agreement", "nan"), "min"),
        (("--data", "pictures", *FLAGS, "--max-relative-error", "nan"), "max_relative_error"),
        (("--data", "pictures", *FLAGS, "--max-relative-error", "0"), "max_relative_error"),
        (("--data", "pictures", *FLAGS, "--out", "net.onnx"), "is a file"),
        (("--data", "pictures", *FLAGS, "--out", "pictures"), "holds other things"),
        ((), "--data"),
    ],
)
def test_bad_input_is_one_clear_error_and_leaves_nothing(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    before = sorted(project.rglob("*"))
    monkeypatch.chdir(project)
    with pytest.raises(SystemExit) as ended:
        main(["quantize", "net.onnx", *arguments])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert sorted(project.rglob("*")) == before


def test_a_killed_run_goes_on_where_it_was(project: Path) -> None:
    arguments = ("net.onnx", "--data", "pictures", *FLAGS, *QUICK)
    with subprocess.Popen(
        command(*arguments, "--rounds", "100000"),
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "] measure: latency" in line:
                break
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    assert not (project / "net.host" / "report.json").exists()
    ended = run(*arguments, cwd=project)
    assert ended.returncode == 0, ended.stderr
    begun = [line for line in ended.stderr.splitlines() if line.startswith("[")]
    assert [line.partition("] ")[2].partition(":")[0] for line in begun] == ["measure"]
