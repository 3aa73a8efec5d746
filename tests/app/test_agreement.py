from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.parser
import pytest

from edgedistill.app.agreement import Agreed, Agreeing, AgreementJudge, FloatAnswers
from edgedistill.app.agreement_limits import AgreementLimits
from edgedistill.core.evidence import Evidence
from edgedistill.core.stage import StageContext
from edgedistill.data.ready import ReadySamples
from edgedistill.errors import InputError, PromiseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INPUTS = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
SAMPLES = ReadySamples(inputs={"x": INPUTS}, dtypes={"x": "float32"}, preprocessing=None)


@pytest.fixture
def scaled(tmp_path: Path) -> Callable[..., Path]:
    """A file that gives its input times three factors, [batch, 3]."""

    def write(name: str, *factors: float) -> Path:
        model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 20]>
            g (float[N,3] x, float[3] f) => (float[N,3] y) { y = Mul (x, f) }""")
        del model.graph.input[1]
        weights = np.array(factors, np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "f"))
        onnx.save_model(model, tmp_path / name)
        return tmp_path / name

    return write


def judge(model: Path, **options: Any) -> AgreementJudge:
    kept = options.pop("kept_bytes", 10**6)
    answers = FloatAnswers(model, SAMPLES, threads=1, kept_bytes=kept)
    limits = AgreementLimits(options.pop("min_agreement", 0.95), options.pop("max_error", None))
    return AgreementJudge(answers, options.pop("kind", "top-1"), limits)


@pytest.mark.parametrize("kept_bytes", [0, 100, 10**6])
def test_class_scores_agree_where_the_highest_class_is_the_same(
    scaled: Callable[..., Path], kept_bytes: int
) -> None:
    judging = judge(scaled("float.onnx", 1, 1, 1), kept_bytes=kept_bytes)
    assert judging.called == "agreement with the float model"
    assert judging.judge(scaled("same.onnx", 2, 2, 2)).holds
    found = judging.judge(scaled("other.onnx", 1, 1, -1))
    changed = INPUTS * np.array([1, 1, -1], np.float32)
    assert found.figure == np.mean(INPUTS.argmax(1) == changed.argmax(1))
    assert found.broken is not None
    assert "less than the 95.00 % asked for" in found.broken


def test_other_outputs_agree_by_the_variance_that_is_kept(scaled: Callable[..., Path]) -> None:
    judging = judge(scaled("float.onnx", 1, 1, 1), kind="signal", min_agreement=0.99)
    near, far = (
        judging.judge(scaled("a.onnx", *[0.95] * 3)),
        judging.judge(scaled("b.onnx", 1, 1, 0)),
    )
    off = 0.05 * np.sqrt((INPUTS**2).mean()) / INPUTS.std()
    assert near.holds
    assert near.distance == pytest.approx(off, rel=1e-4)
    assert near.figure == pytest.approx(1 - off**2, rel=1e-4)
    assert not far.holds


def test_a_limit_of_the_error_breaks_where_classes_still_agree(
    scaled: Callable[..., Path],
) -> None:
    judging = judge(scaled("float.onnx", 1, 1, 1), max_error=0.1)

    near, far = (judging.judge(scaled(f"{by}.onnx", *[by] * 3)) for by in (0.95, 0.8))

    assert (near.figure, far.figure) == (1, 1)
    assert near.holds
    assert far.enough
    assert far.broken is not None
    assert "more than the 0.1 asked for" in far.broken
    off = 0.2 * np.sqrt((INPUTS**2).mean()) / INPUTS.std()
    assert far.distance == pytest.approx(off, rel=1e-4)


def test_the_judge_and_the_report_say_the_same(scaled: Callable[..., Path], tmp_path: Path) -> None:
    models = {"fp32": scaled("float.onnx", 1, 1, 1), "int8": scaled("other.onnx", 1, 0.6, 1)}
    (tmp_path / "step").mkdir()
    facts = (
        Agreeing(models, SAMPLES, "top-1", Evidence.MEASURED_ON_DEVICE)
        .run(StageContext(folder=tmp_path / "step"))
        .facts
    )
    found = Agreed.read(facts["int8"], file="facts")
    judged = judge(models["fp32"]).judge(models["int8"])
    assert found.agreement is not None
    assert (found.agreement.value, found.relative_error) == (judged.figure, judged.distance)
    assert found.agreement.value < 1


def test_a_model_that_is_not_finite_is_never_near(scaled: Callable[..., Path]) -> None:
    good, bad = scaled("float.onnx", 1, 1, 1), scaled("bad.onnx", 1, 1, float("nan"))
    with pytest.raises(PromiseError, match="NaN or infinity on a sample that judges"):
        judge(good).judge(bad)
    with pytest.raises(InputError, match="the float model gives NaN or infinity"):
        judge(bad).judge(good)
