from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest

import edgedistill
from edgedistill.app.fine_tuning import rounding_of
from edgedistill.core.profile import QuantizationScheme
from edgedistill.core.quantizing import Quantize
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill import CompressionRun
    from edgedistill.app.resolve import Resolved
    from edgedistill.core.report import Candidate

TUNED = "int8-U8S8-tuned"
ONLY_HOST = {
    "targets": {"host": {"budget": {}}},
    "stages__prune": None,
    "stages__quantize__candidates": "first",
}


def _candidates(run: CompressionRun) -> dict[str, Candidate]:
    return {one.name: one for one in run.reports["host"].candidates}


def test_a_network_that_int8_fails_learns_in_rounded_numbers(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    resolved = tiny(
        **ONLY_HOST | {"targets": {"host": {"budget": {"min_accuracy": 1.0}}}},
        stages__quantize__methods=["bias-correction"],
    )
    run = edgedistill.run_recipe(resolved, out=tmp_path / "run")
    tuned, plain = _candidates(run)[TUNED], _candidates(run)["int8-U8S8"]
    assert tuned.row is not None
    assert plain.row is not None
    assert tuned.row.int8 is not None
    assert tuned.row.int8.float_operators == 0
    assert tuned.row.model_sha256 != plain.row.model_sha256
    report = run.reports["host"]
    (lesson,) = [step for step in report.learning if step.name == "fine-tune"]
    assert lesson.accuracy_after is not None
    assert lesson.samples is not None
    # trained in rounded numbers it is right as often as when it is quantized in earnest
    assert tuned.row.accuracy.value == pytest.approx(lesson.accuracy_after, abs=0.02)
    again = edgedistill.run_recipe(resolved, out=tmp_path / "run")
    assert again.steps_made == 0


def test_where_int8_keeps_the_accuracy_nothing_is_learned_again(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    resolved = tiny(**ONLY_HOST | {"targets": {"host": {"budget": {"min_accuracy": 0.0}}}})
    run = edgedistill.run_recipe(resolved, out=tmp_path / "run")
    assert set(_candidates(run)) == {"fp32", "int8-U8S8"}
    assert all(step.name != "fine-tune" for step in run.reports["host"].learning)
    assert len(list((run.folder / "steps").glob("fine-tune-*"))) == 1


@pytest.mark.parametrize("backend", ["onnxruntime", "optimum", "neural-compressor"])
def test_a_recipe_chooses_who_makes_the_int8_file(
    backend: str, tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    resolved = tiny(
        **ONLY_HOST, stages__quantize__backend=backend, stages__quantize__min_int8_share=0.1
    )
    run = edgedistill.run_recipe(resolved, out=tmp_path / "run")
    made = _candidates(run)["int8-U8S8"]
    assert made.row is not None
    assert made.row.latency is not None
    assert made.row.int8 is not None
    assert made.row.int8.int8_operators > 0
    assert made.row.int8.attempts is None
    assert made.row.agreement is not None
    assert made.row.agreement.value > 0.9
    model = onnx.load_model(run.folder / "targets" / "host" / made.model)
    assert [value.name for value in model.graph.output] == ["logits"]
    assert model.metadata_props


def test_rounding_follows_the_scheme() -> None:
    scheme = QuantizationScheme(activation="int8", symmetric_activation=True, reason="a test")
    found = rounding_of(scheme)
    assert (found.activation_levels, found.symmetric_activations) == (255, True)
    assert (found.weight_levels, found.per_channel) == (127, True)
    assert rounding_of(scheme.model_copy(update={"reduce_range": True})).weight_levels == 63


def test_fine_tuning_has_no_feedback() -> None:
    with pytest.raises(InputError, match="feedback"):
        Quantize.read({"fine_tune": {"feedback": {"rounds": 1}}}, file="recipe.yaml")
