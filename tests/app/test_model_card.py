from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import yaml
from PIL import Image

from edgedistill.app.model_facts import model_facts
from edgedistill.app.resolve import read_recipe
from edgedistill.core.recipe import Recipe
from edgedistill.core.report import Report
from edgedistill.data import open_dataset
from edgedistill.gate.judge import judge
from edgedistill.render.card import model_card

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from edgedistill import CompressionRun


def program_of(folder: Path) -> str:
    """The Python of a card."""
    return (folder / "model-card.md").read_text().partition("```python\n")[2].partition("```")[0]


@pytest.mark.parametrize("target", ["host", "jetson-orin-nano"])
def test_the_program_of_a_card_says_what_the_model_says(
    finished: CompressionRun, target: str, tmp_path: Path
) -> None:
    folder = finished.folder / "targets" / target
    dataset = open_dataset(next((finished.folder / "steps").glob("data-*")))
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    logits = [
        session.run(None, dataset.validation.batch(np.array([place])))[0] for place in range(40)
    ]
    answers = [int(one.argmax()) for one in logits]
    assert len(set(answers)) > 1
    place = answers.index(max(answers))  # not the first class
    raw = dataset.validation.inputs["input"][place]
    Image.fromarray(np.asarray(raw)[..., 0]).save(tmp_path / "picture.png")
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    ran = subprocess.run(
        [sys.executable, "-c", program_of(folder)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"{dataset.class_names[answers[place]]}\n"


def test_the_hub_reads_the_metadata_and_the_results_of_a_card(finished: CompressionRun) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs the extra hf")
    for target, report in finished.reports.items():
        card = hub.ModelCard.load(finished.folder / "targets" / target / "model-card.md")
        data, row = card.data, report.shipped()
        assert data.library_name == "onnx"
        assert data.pipeline_tag == "image-classification"
        assert data.datasets == ["digits"]
        assert data.base_model is None
        assert data.license is None  # nobody said which one
        assert {"knowledge-distillation", "pruning", target} <= set(data.tags)
        assert ({"quantized", "int8"} <= set(data.tags)) == (row.precision == "int8")
        assert data.model_name == "tiny"
        assert row.test_accuracy is not None
        results = {one.dataset_split: one for one in data.eval_results}
        for split, figure in (("validation", row.accuracy), ("test", row.test_accuracy)):
            found = results[split]
            assert isinstance(found, hub.EvalResult)
            assert (found.metric_type, found.metric_value) == ("accuracy", figure.value)
            assert (found.metric_args["low"], found.metric_args["high"]) == (
                figure.low,
                figure.high,
            )
            assert found.metric_args["evidence"] == figure.evidence.value
        assert yaml.safe_load(str(data.to_yaml())) == yaml.safe_load(card.content.split("---\n")[1])


def test_a_card_says_what_was_not_measured_on_its_device(finished: CompressionRun) -> None:
    folder = finished.folder / "targets"
    here, away = ((folder / target / "model-card.md").read_text() for target in finished.reports)
    assert "Accuracy is measured-on-stand-in, not measured on the device." in away
    assert "Latency was neither measured nor estimated." in away
    assert "was checked in the file, not in the device's runtime" in away
    assert "## Conditions of the latency measurement" not in away
    assert "Accuracy is measured-on-stand-in" not in here
    assert "## Conditions of the latency measurement" in here


def test_a_card_follows_from_what_is_stored(finished: CompressionRun) -> None:
    folder = finished.folder / "targets" / "host"
    report = Report.read(yaml.safe_load((folder / "report.json").read_text()), file="report.json")
    recipe = read_recipe(finished.folder / "recipe.lock.yaml").recipe
    dataset = open_dataset(next((finished.folder / "steps").glob("data-*")))
    facts = model_facts(report, recipe, dataset, folder / "model.onnx")
    assert model_card(report, judge(report), facts) == (folder / "model-card.md").read_text()


@pytest.mark.parametrize(
    ("teacher", "student", "base_models", "sources"),
    [
        ("hf:org/big@v1", "hf:small", ("small", "org/big"), ("hf:org/big@v1", "hf:small")),
        ("hf:org/big", None, ("org/big",), ("hf:org/big", None)),
        ("hf:/somewhere/mine", "builtin:dense", (), ("hf:mine", "builtin:dense")),
        ("python:/somewhere/nets.py:net", "hf:../a", (), ("python:nets.py:net", "hf:a")),
        ("hf:org/big", "hf:org/big", ("org/big",), ("hf:org/big", "hf:org/big")),
    ],
)
def test_networks_of_the_hub_are_the_base_and_folders_are_not_told(
    finished: CompressionRun,
    teacher: str,
    student: str | None,
    base_models: tuple[str, ...],
    sources: tuple[str, str | None],
) -> None:
    document: dict[str, Any] = {
        "schema_version": 1,
        "name": "made",
        "data": {"source": "sklearn:digits"},
        "teacher": {"source": teacher},
        "student": None if student is None else {"source": student},
        "targets": {"host": {}},
    }
    recipe = Recipe.read(document, file="recipe.yaml")
    dataset = open_dataset(next((finished.folder / "steps").glob("data-*")))
    facts = model_facts(finished.reports["host"], recipe, dataset, finished.model("host"))
    assert facts.base_models == base_models
    assert (*facts.teacher, facts.student) == sources
    assert [(one.name, one.dtype) for one in facts.inputs] == [("input", "float32")]
    assert facts.inputs[0].shape[1:] == (1, 8, 8)
    assert facts.sample_shape == (8, 8, 1)
