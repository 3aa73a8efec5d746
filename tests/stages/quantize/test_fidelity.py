from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest

from edgedistill.errors import PromiseError
from edgedistill.stages.quantize.fidelity import FloatOutputs

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = [{"x": row[None]} for row in np.random.default_rng(0).normal(size=(9, 3)).astype("f4")]
X = np.concatenate([one["x"] for one in SAMPLES]).astype(np.float64)


def _write(path: Path, body: str, outputs: str) -> Path:
    text = f'<ir_version: 10, opset_import: ["" : 20]> g (float[N,3] x) => ({outputs}) {{ {body} }}'
    onnx.save_model(onnx.parser.parse_model(text), path)
    return path


def _answers(path: Path, folder: Path) -> FloatOutputs:
    folder.mkdir()
    return FloatOutputs(path, SAMPLES, folder, threads=1)


def test_the_distance_is_the_error_over_the_spread(tmp_path: Path) -> None:
    before = _write(tmp_path / "a.onnx", "y = Identity (x)", "float[N,3] y")
    after = _write(tmp_path / "b.onnx", "y = Sin (x)", "float[N,3] y")
    answers = _answers(before, tmp_path / "answers")
    expected = np.sqrt(np.mean((np.sin(X) - X) ** 2)) / X.std()
    assert answers.distance(after) == pytest.approx(expected, rel=1e-5)
    assert answers.distance(before) == 0.0


def test_of_several_outputs_the_worst_counts(tmp_path: Path) -> None:
    outputs = "float[N,3] y, float[N,3] z"
    before = _write(tmp_path / "a.onnx", "y = Identity (x) z = Exp (x)", outputs)
    after = _write(tmp_path / "b.onnx", "y = Identity (x) z = Cos (x)", outputs)
    expected = np.sqrt(np.mean((np.cos(X) - np.exp(X)) ** 2)) / np.exp(X).std()
    found = _answers(before, tmp_path / "answers").distance(after)
    assert found == pytest.approx(expected, rel=1e-5)


def test_outputs_that_are_not_finite_break_the_promise(tmp_path: Path) -> None:
    before = _write(tmp_path / "a.onnx", "y = Identity (x)", "float[N,3] y")
    after = _write(tmp_path / "b.onnx", "y = Log (x)", "float[N,3] y")
    answers = _answers(before, tmp_path / "answers")
    with pytest.raises(PromiseError, match="NaN or infinity"):
        answers.distance(after)
