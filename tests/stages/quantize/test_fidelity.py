from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest

from edgedistill.errors import PromiseError
from edgedistill.stages.quantize.fidelity import FloatAnswers

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = [{"x": row[None]} for row in np.random.default_rng(0).normal(size=(9, 3)).astype("f4")]


def _write(path: Path, body: str, outputs: str) -> Path:
    text = f'<ir_version: 10, opset_import: ["" : 20]> g (float[N,3] x) => ({outputs}) {{ {body} }}'
    onnx.save_model(onnx.parser.parse_model(text), path)
    return path


def test_distance_and_agreement_are_those_of_their_definitions(tmp_path: Path) -> None:
    before = _write(tmp_path / "a.onnx", "y = Identity (x)", "float[N,3] y")
    after = _write(tmp_path / "b.onnx", "y = Sin (x)", "float[N,3] y")
    (tmp_path / "answers").mkdir()
    found = FloatAnswers(before, SAMPLES, tmp_path / "answers", threads=1).beside(after)
    x = np.concatenate([one["x"] for one in SAMPLES]).astype(np.float64)
    assert found.distance == pytest.approx(
        np.sqrt(np.mean((np.sin(x) - x) ** 2)) / x.std(), rel=1e-5
    )
    assert found.agreement == np.mean(x.argmax(1) == np.sin(x).argmax(1))


def test_several_outputs_are_no_class_scores_and_all_count(tmp_path: Path) -> None:
    outputs = "float[N,3] y, float[N,3] z"
    before = _write(tmp_path / "a.onnx", "y = Identity (x) z = Exp (x)", outputs)
    after = _write(tmp_path / "b.onnx", "y = Identity (x) z = Cos (x)", outputs)
    (tmp_path / "answers").mkdir()
    answers = FloatAnswers(before, SAMPLES, tmp_path / "answers", threads=1)
    found = answers.beside(after)
    x = np.concatenate([one["x"] for one in SAMPLES]).astype(np.float64)
    of_z = np.sqrt(np.mean((np.cos(x) - np.exp(x)) ** 2)) / np.exp(x).std()
    assert not answers.are_class_scores
    assert found.agreement is None
    assert found.distance == pytest.approx(of_z / np.sqrt(2), rel=1e-5)
    assert answers.beside(before).distance == 0.0


def test_a_model_that_says_the_same_to_all_is_measured_by_its_size(tmp_path: Path) -> None:
    before = _write(tmp_path / "a.onnx", "z = Sub (x, x) y = Cos (z)", "float[N,3] y")
    after = _write(tmp_path / "b.onnx", "y = Sub (x, x)", "float[N,3] y")
    (tmp_path / "answers").mkdir()
    answers = FloatAnswers(before, SAMPLES, tmp_path / "answers", threads=1)
    assert answers.beside(after).distance == pytest.approx(1.0)


def test_answers_that_are_not_finite_break_the_promise(tmp_path: Path) -> None:
    before = _write(tmp_path / "a.onnx", "y = Identity (x)", "float[N,3] y")
    after = _write(tmp_path / "b.onnx", "y = Log (x)", "float[N,3] y")
    (tmp_path / "answers").mkdir()
    answers = FloatAnswers(before, SAMPLES, tmp_path / "answers", threads=1)
    with pytest.raises(PromiseError, match="NaN or infinity in output 0"):
        answers.beside(after)
