"""Two processes on one machine learn what one does. They are started as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

PROGRAM = Path(__file__).parent / "learn_digits.py"


def learned(folder: Path, *, processes: int, options: tuple[str, ...]) -> Path:
    """Runs the lesson of `learn_digits.py`; gives the folder with its network."""
    folder.mkdir()
    command = [sys.executable, str(PROGRAM), str(folder), *options]
    if processes > 1:
        start = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command[1:1] = start
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder


@pytest.mark.timeout(400)
@pytest.mark.parametrize("options", [("residual-cnn", "kd"), ("mlp", "dist")])
def test_two_processes_learn_what_one_does(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Batch normalization, a loss over the whole batch and the teacher's answers are shared."""
    one = learned(tmp_path / "one", processes=1, options=options)
    two = learned(tmp_path / "two", processes=2, options=options)
    assert (one / "answers.npy").read_bytes() == (two / "answers.npy").read_bytes()
    expected, found = (load_file(path / "weights.safetensors") for path in (one, two))
    for name, values in expected.items():
        if values.is_floating_point():
            difference = float((values - found[name]).abs().max())
            assert difference < 2e-3, f"{name} differs by {difference}"
        else:
            assert values.equal(found[name]), name
    facts = [json.loads((path / "facts.json").read_text()) for path in (one, two)]
    assert facts[0]["loss"] == pytest.approx(facts[1]["loss"], rel=1e-3)
    assert facts[0]["steps"] == facts[1]["steps"]
    assert len(list(two.glob("written-by-*"))) == 1
