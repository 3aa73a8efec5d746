from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

IMAGE = {"kind": "image", "color": "grey", "resize": [8, 8], "scale": 0.004, "layout": "nchw"}


def _compress(folder: Path, *arguments: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    recipe = {
        "schema_version": 1,
        "name": "bad",
        "threads": 1,
        "data": {"source": "sklearn:digits"},
        "teacher": {
            "source": "builtin:mlp",
            "args": {"width": 64},
            "train": {"epochs": 1, "batch_size": 64},
        },
        "student": {"source": "builtin:mlp", "args": {"width": 64}},
        "stages": {"distill": {"train": {"epochs": 1, "batch_size": 64}}, "benchmark": None},
        "targets": {"host": {}},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, **changes}))
    return subprocess.run(
        [sys.executable, "-m", "edgedistill", "compress", "recipe.yaml", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def _pictures(folder: Path, classes: dict[str, int]) -> Path:
    generator = np.random.default_rng(0)
    for name, count in classes.items():
        (folder / "pictures" / name).mkdir(parents=True)
        for place in range(count):
            pixels = generator.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{place}.png")
    return folder / "pictures"


def _assert_refused(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    assert ended.returncode == 2, ended.stderr
    for word in words:
        assert word in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_image_that_is_not_one(tmp_path: Path) -> None:
    pictures = _pictures(tmp_path, {"cat": 20, "dog": 20})
    (pictures / "dog" / "7.png").write_bytes(b"not a picture")
    data = {"source": "image-folder:pictures", "preprocessing": IMAGE}
    _assert_refused(_compress(tmp_path, data=data), "7.png")
    assert not list(tmp_path.glob("runs/bad/steps/*"))


def test_an_empty_class(tmp_path: Path) -> None:
    _pictures(tmp_path, {"cat": 20, "dog": 0})
    data = {"source": "image-folder:pictures", "preprocessing": IMAGE}
    _assert_refused(_compress(tmp_path, data=data), "dog")


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    save_file({"layers.0.weight": torch.zeros(3, 3)}, tmp_path / "weights.safetensors")
    teacher = {"source": "builtin:mlp", "args": {"width": 64}, "weights": "weights.safetensors"}
    _assert_refused(_compress(tmp_path, teacher=teacher), "weights.safetensors", "teacher.weights")


@pytest.mark.parametrize("name", ["teacher.pt", "teacher.safetensors"])
def test_a_pickle_where_safetensors_is_expected(tmp_path: Path, name: str) -> None:
    marker = tmp_path / "ran"
    payload = f"cos\nsystem\n(S'touch {marker}'\ntR."  # runs a command where it is unpickled
    (tmp_path / name).write_bytes(payload.encode())
    teacher = {"source": "builtin:mlp", "args": {"width": 64}, "weights": name}
    _assert_refused(_compress(tmp_path, teacher=teacher), name)
    assert not marker.exists()


def test_a_student_with_another_number_of_outputs(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "def student():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))\n"
    )
    ended = _compress(tmp_path, student={"source": "python:nets.py:student"})
    _assert_refused(ended, "student.source", "7", "10")


@pytest.mark.parametrize("size_kb", [64, 250])
def test_a_full_disk(
    tmp_path: Path, small_disk: Callable[[int], AbstractContextManager[Path]], size_kb: int
) -> None:
    with small_disk(size_kb) as disk:
        ended = _compress(tmp_path, "--out", str(disk / "run"))
        _assert_refused(ended, "the disk is full", str(disk / "run"))
        assert not list((disk / "run").glob("steps/.unfinished*"))


@pytest.mark.parametrize(
    ("sweeps", "changes", "words"),
    [
        (["student.width="], {}, ["--sweep", "is not of the form student.key=value,value"]),
        (["teacher.width=8,16"], {}, ["is not a key of the student that can be varied"]),
        (["student.depht=1,2"], {}, ["student.0.args.depht", "Did you mean 'depth'"]),
        (
            ["student.width=8,16"],
            {"student": None},
            ["varies the student, but the recipe has none"],
        ),
        (
            ["student.width=8,16"],
            {"student": [{"source": "builtin:mlp"}] * 2},
            ["this one lists several already"],
        ),
        (["student.width=0.5,32"], {}, ["come to the same student", "0.5 and 32"]),
        ([], {"student": []}, ["student: is an empty list"]),
        (
            [],
            {"student": [{"source": "builtin:mlp", "name": "a"}] * 2},
            ["student: names 'a' twice", "a name of its own"],
        ),
    ],
    ids=["empty", "teacher", "unknown", "none", "list", "same", "empty-list", "names"],
)
def test_students_that_cannot_be(
    tmp_path: Path, sweeps: list[str], changes: dict[str, Any], words: list[str]
) -> None:
    options = [part for sweep in sweeps for part in ("--sweep", sweep)]
    _assert_refused(_compress(tmp_path, "--dry-run", *options, **changes), *words)
    assert not (tmp_path / "runs").exists()
