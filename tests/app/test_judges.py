from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest

from edgedistill import tasks
from edgedistill.app.judges import BudgetJudge, Judging
from edgedistill.bench.predict import LOGITS_FILE
from edgedistill.core.budget import Budget
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.data.dataset import Dataset, Split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RAW = Preprocessing(kind="array")
LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 2], np.int64)
INPUTS = np.eye(3, dtype=np.float32)[LABELS]
"""Each sample's input is its own right answer."""


def _split(groups: np.ndarray | None = None) -> Split:
    return Split(
        inputs={"x": INPUTS},
        labels=LABELS,
        groups=groups,
        preprocessing=RAW,
        augmentation=Augmentation(),
    )


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        name="answers",
        source="a test",
        sha256="0" * 64,
        class_names=("a", "b", "c"),
        preprocessing=RAW,
        train=_split(),
        validation=_split(),
        test=None,
        calibration=_split(),
    )


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """A file that answers with its input, or with another class where `wrong` says so."""

    def write(name: str, **wrong: int) -> Path:
        matrix = np.eye(3, dtype=np.float32)
        for letter, place in wrong.items():
            matrix["abc".index(letter)] = 0
            matrix["abc".index(letter), place] = 1
        text = """<ir_version: 10, opset_import: ["" : 20]>
            g (float[N,3] x) => (float[N,3] y) { y = MatMul (x, w) }"""
        proto = onnx.parser.parse_model(text)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(matrix, "w"))
        onnx.save_model(proto, tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def judge(dataset: Dataset, tmp_path: Path) -> Callable[..., BudgetJudge]:
    def make(budget: Budget, right: np.ndarray = INPUTS) -> BudgetJudge:
        fp32 = tmp_path / "fp32" / "validation"
        fp32.mkdir(parents=True)
        np.save(fp32 / LOGITS_FILE, right)
        split = dataset.validation
        teacher = tasks.evaluate(INPUTS, split.labels, None, dataset.class_names)
        return BudgetJudge(dataset, teacher, fp32, budget, threads=1)

    return make


def test_a_file_that_answers_as_the_float_model_keeps_everything(
    judge: Callable[..., BudgetJudge], model: Callable[..., Path]
) -> None:
    found = judge(Budget(max_accuracy_drop=0.0)).judge(model("same.onnx"))
    assert (found.figure, found.distance, found.broken) == (1.0, 0.0, None)
    assert found.holds


def test_the_budget_breaks_by_the_limit_that_it_names(
    judge: Callable[..., BudgetJudge], model: Callable[..., Path]
) -> None:
    found = judge(Budget(max_accuracy_drop=0.2, max_worst_class_drop=0.5)).judge(
        model("wrong.onnx", c=0)
    )
    assert found.figure == 0.9
    assert found.broken is not None
    assert "loses 100.00 % of its worst class against the teacher" in found.broken
    difference = np.zeros((10, 3))
    difference[9] = (1, 0, -1)
    assert found.distance == pytest.approx(np.sqrt((difference**2).mean()) / INPUTS.std())


def test_without_a_limit_int8_may_cost_two_points_against_fp32(
    judge: Callable[..., BudgetJudge], model: Callable[..., Path]
) -> None:
    wrong = model("wrong.onnx", c=0)
    found = judge(Budget()).judge(wrong)
    assert found.broken is not None
    assert "10.00 % less accuracy than fp32" in found.broken


def test_without_a_limit_what_fp32_lost_already_is_not_held_against_int8(
    judge: Callable[..., BudgetJudge], model: Callable[..., Path]
) -> None:
    also_wrong = INPUTS.copy()
    also_wrong[9] = (1, 0, 0)
    assert judge(Budget(), also_wrong).judge(model("wrong.onnx", c=0)).holds


def test_no_trace_of_a_judgement_is_left_beside_the_file(
    judge: Callable[..., BudgetJudge], model: Callable[..., Path], tmp_path: Path
) -> None:
    path = model("same.onnx")
    judging = judge(Budget())
    before = sorted(tmp_path.rglob("*"))
    judging.judge(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_only_limits_on_accuracy_enter_a_key() -> None:
    budget = Budget(latency_p95_ms=3.0, max_accuracy_drop=0.1)
    assert Judging(budget, teacher_is_asked=False, threads=1).limits == {
        "min_accuracy": None,
        "max_accuracy_drop": 0.1,
        "max_worst_class_drop": None,
        "max_worst_group_drop": None,
    }
