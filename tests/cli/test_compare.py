from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from edgedistill.cli import root
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = (
    *("--size", "4x4", "--channels", "gray", "--scale", "1/255"),
    *("--mean", "0", "--std", "1", "--layout", "nchw", "--threads", "1"),
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models that tell dark from light pictures, the second with its threshold moved."""
    for name, threshold in (("a", 8.0), ("b", 12.0)):
        weight = np.stack([np.zeros(16), np.ones(16)], axis=1).astype(np.float32)
        nodes = [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weight", "bias"], ["y"]),
        ]
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 4, 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
            [
                numpy_helper.from_array(weight, "weight"),
                numpy_helper.from_array(np.array([threshold, 0], np.float32), "bias"),
            ],
        )
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        onnx.save(model, tmp_path / f"{name}.onnx")
    for place, value in enumerate(range(5, 255, 10)):
        folder = tmp_path / "pictures" / ("dark" if value < 128 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(folder / f"{place}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_prints_both_models_and_where_the_rest_is(project: Path) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "edgedistill", "compare", "a.onnx", "b.onnx"),
            *("--data", "pictures", "--rounds", "10", "--runs-per-round", "1", *FLAGS),
        ],
        cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "b.against.a"
    assert "A (a.onnx)  100.00 %" in ended.stdout
    # 135, 145, ... 185 are above half of white and below three quarters
    assert "Right in A, wrong in B: 24.00 %" in ended.stdout
    assert "Worst class: light" in ended.stdout
    found = json.loads((project / "b.against.a" / "compare.json").read_text())
    assert found["damage"]["examples"][0]["content"]["kind"] == "picture"
    assert found["samples"] | {"sha256": ""} == {
        "source": "pictures",
        "kind": "pictures",
        "sha256": "",
        "found": 25,
        "compared": 25,
        "labelled": True,
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.onnx", "b.onnx", "--data", "nowhere"], "does not exist"),
        (["a.onnx", "c.onnx", "--data", "pictures"], r"c\.onnx.*is not a file"),
        (["a.onnx", "b.onnx", "--data", "pictures"], "is declared nowhere"),
        (["a.onnx", "b.onnx", "--data", "pictures", "--out", ".", *FLAGS], "holds other things"),
        (
            ["a.onnx", "b.onnx", "--data", "pictures", "--target", "toaster", *FLAGS],
            "toaster",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    project: Path, arguments: list[str], words: str
) -> None:
    before = sorted(project.iterdir())
    ended = CliRunner().invoke(root, ["compare", *arguments])
    assert isinstance(ended.exception, InputError)
    assert ended.exception.exit_code == 2
    with pytest.raises(InputError, match=words):
        raise ended.exception
    assert sorted(project.iterdir()) == before
