from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from sklearn.metrics import accuracy_score, recall_score

import edgedistill
from edgedistill.core.damage import Picture, Signal
from edgedistill.data import open_dataset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill import CompressionRun
    from edgedistill.app.resolve import Resolved
    from edgedistill.data import Dataset


def prepared(run: CompressionRun) -> Dataset:
    """The data that the run prepared."""
    (folder,) = {path.parent for path in (run.folder / "steps").glob("data-*/dataset.json")}
    return open_dataset(folder)


def answers(model: Path, dataset: Dataset) -> np.ndarray:
    """A model's classes of the validation samples, asked once more."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    logits = [session.run(None, inputs)[0] for _, inputs in dataset.validation.batches(1)]
    return np.concatenate(logits).argmax(axis=1)


@pytest.mark.parametrize("target", ["host", "jetson-orin-nano"])
def test_the_report_tells_what_the_shipped_model_does_otherwise(
    finished: CompressionRun, target: str
) -> None:
    report, dataset = finished.reports[target], prepared(finished)
    damage = report.damage
    assert damage is not None
    folder = finished.folder / "targets" / target
    before = answers(folder / "waterfall" / "teacher.onnx", dataset)
    after = answers(folder / report.choice.model, dataset)
    labels = dataset.validation.labels
    assert (damage.split, damage.samples) == ("validation", len(labels))
    assert damage.before == "teacher"
    assert damage.after == (report.shipped().variant or report.choice.step)
    flipped = damage.flipped
    assert flipped.changed.value == pytest.approx((before != after).mean())
    assert flipped.lost.value == pytest.approx(((before == labels) & (after != labels)).mean())
    assert flipped.lost.value - flipped.gained.value == pytest.approx(
        accuracy_score(labels, before) - accuracy_score(labels, after)
    )
    per_class = recall_score(labels, after, average=None, labels=range(10))
    assert [part.after.value for part in damage.classes] == pytest.approx(list(per_class))
    worst, row = report.shipped().worst_class, report.shipped()
    assert worst is not None
    assert max(part.drop.value for part in damage.classes) == worst.drop.value
    assert flipped.changed.evidence == row.accuracy.evidence
    for example in damage.examples:
        place = example.sample
        assert dataset.class_names[labels[place]] == example.label == example.before
        assert dataset.class_names[after[place]] == example.after != example.label
        assert isinstance(example.content, Picture | Signal)
    assert damage.examples_in_all == ((before == labels) & (after != labels)).sum()


def test_private_data_stays_out_of_the_report(
    finished: CompressionRun, tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    run = edgedistill.run_recipe(tiny(report__examples=0), out=folder)
    assert run.steps_made == 0
    shown, hidden = finished.reports["host"].damage, run.reports["host"].damage
    assert shown is not None
    assert hidden == shown.model_copy(update={"examples": ()})
