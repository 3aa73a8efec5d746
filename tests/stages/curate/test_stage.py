from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgedistill.core.curation import Curate, Cut
from edgedistill.core.labels import UNLABELLED
from edgedistill.errors import InputError
from edgedistill.stages.curate import Curation, open_curation
from edgedistill.stages.curate.curated import open_scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset
    from edgedistill.stages.curate import AnswerSource

FREE: dict[str, Any] = {"min_class_samples": 1, "max_class_loss": 0.9, "max_skew": 10.0}

LABELS = [0, 0, 0, 0, 1, 1, 1, UNLABELLED]
GROUPS = ["y", "y", "z", "z", "y", "y", "z", "z"]
TRUST = [0.99, 0.8, 0.7, 0.04, 0.95, 0.9, 0.85, 0.6]
"""Probability of class 0 for the first four, of class 1 for the others."""
PROBABILITIES = [[p, 1 - p] for p in TRUST[:4]] + [[1 - p, p] for p in TRUST[4:]]


def test_a_tiny_curation_by_hand(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
) -> None:
    config = Curate.model_validate(
        {
            "head": [{"score": "confidence", "quantile": 0.2}],
            "tail": [{"score": "margin", "threshold": 0.3}],
            **FREE,
        }
    )
    place = context()
    curation = Curation(dataset(LABELS, GROUPS), answers(PROBABILITIES), config)
    facts = curation.run(place).facts
    found = open_curation(place.folder)
    assert found.kept.tolist() == [1, 2, 3, 4, 5, 6]
    assert found.hidden.tolist() == [False] * 3 + [True] + [False] * 4
    assert found.difficulty[[0, 3, 7]].tolist() == pytest.approx([0, 1 / 7, 1])
    assert (facts["samples"], facts["kept"], facts["removed"], facts["hidden"]) == (8, 6, 2, 1)
    assert facts["agreement_with_labels"] == pytest.approx(6 / 7)
    head, tail, suspects = facts["cuts"]
    assert head == {
        "field": "stages.curate.head[0]",
        "score": "confidence",
        "quantile": 0.2,
        "takes": "sample",
        "last_score": pytest.approx(0.99),
        "reached": 1,
        "taken": 1,
        "classes": {"a": 1},
        "groups": {"y": 1},
    }
    assert (tail["classes"], tail["groups"], tail["threshold"]) == ({"b": 1}, {"z": 1}, 0.3)
    assert (suspects["takes"], suspects["classes"]) == ("label", {"a": 1})
    assert facts["suspect_labels"]["contradicted"] == 1
    assert facts["suspect_labels"]["groups"] == {"z": 1}
    assert facts["classes"]["a"] == {
        "before": 4,
        "removed": 1,
        "hidden": 1,
        "left": 2,
        "skew": pytest.approx((4 / 8) / (2 / 5)),
    }
    assert facts["groups"]["z"]["left"] == 2
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    document = json.loads((place.folder / "curation.json").read_text())
    assert document["facts"] == facts
    assert list(open_scores(place.folder)) == document["scores"] == facts["scores"]


@pytest.mark.parametrize(("action", "kept", "hidden"), [("hide", 8, 1), ("drop", 7, 0)])
def test_a_suspect_label_is_hidden_or_goes_with_its_sample(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
    action: str,
    kept: int,
    hidden: int,
) -> None:
    config = Curate.model_validate({"suspect_labels": {"action": action}, **FREE})
    place = context()
    Curation(dataset(LABELS), answers(PROBABILITIES), config).run(place)
    found = open_curation(place.folder)
    assert (len(found.kept), found.hidden.sum()) == (kept, hidden)


def test_a_suspect_label_that_is_kept_is_still_reported(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
) -> None:
    config = Curate.model_validate({"suspect_labels": {"action": "keep"}})
    place = context()
    facts = Curation(dataset(LABELS), answers(PROBABILITIES), config).run(place).facts
    assert facts["cuts"] == []
    assert facts["suspect_labels"]["classes"] == {"a": 1}
    assert facts["groups"] is None
    assert (facts["kept"], facts["hidden"]) == (8, 0)
    assert open_curation(place.folder).difficulty[3] == 1


def test_without_a_config_samples_are_only_scored(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
) -> None:
    place = context()
    facts = Curation(dataset(LABELS, GROUPS), answers(PROBABILITIES), None).run(place).facts
    found = open_curation(place.folder)
    assert found.kept.tolist() == list(range(8))
    assert not found.hidden.any()
    assert sorted(found.difficulty.tolist()) == pytest.approx([n / 7 for n in range(8)])
    assert facts["suspect_labels"] is None
    assert all(group["skew"] == 1 for group in facts["groups"].values())
    confidence = open_scores(place.folder)["confidence"]
    assert confidence == pytest.approx(np.max(PROBABILITIES, axis=1), abs=1e-6)


def test_an_unlabelled_sample_counts_to_the_class_the_teacher_says(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
) -> None:
    config = Curate(tail=(Cut(score="confidence", threshold=0.7),), suspect_labels=None)
    labels = [*[0] * 30, *[UNLABELLED] * 4]
    probabilities = [[0.9, 0.1]] * 30 + [[0.4, 0.6]] * 4
    with pytest.raises(InputError, match="class 'b' would lose 4 of its 4 samples"):
        Curation(dataset(labels), answers(probabilities), config).run(context())


def test_hidden_labels_count_like_samples_that_are_gone(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
) -> None:
    """A teacher that never learned class b would overrule each of its labels."""
    probabilities = [[0.99, 0.01]] * 30 + [[0.999, 0.001]] * 19 + [[0.9, 0.1]]
    place = context()
    with pytest.raises(InputError, match="class 'b' would lose 19 of its 20") as caught:
        Curation(dataset([0] * 30 + [1] * 20), answers(probabilities), Curate()).run(place)
    assert caught.value.faults[0].field == "stages.curate.suspect_labels"
    assert list(place.folder.iterdir()) == []


def test_the_same_answers_give_the_same_files(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
) -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(2), size=(2, 200)).round(1)
    labels = generator.integers(0, 2, 200).tolist()
    config = Curate.model_validate({"head": [{"score": "confidence", "quantile": 0.3}], **FREE})
    files = []
    for name in ("once", "again"):
        place = context(name)
        Curation(dataset(labels), answers(probabilities), config).run(place)
        files.append({path.name: path.read_bytes() for path in place.folder.iterdir()})
    assert files[0] == files[1]
    assert set(files[0]) == {
        "kept.npy",
        "hidden.npy",
        "difficulty.npy",
        "scores.npy",
        "curation.json",
    }


def test_members_that_disagree_can_be_cut(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
) -> None:
    doubtful = [list(pair) for pair in PROBABILITIES]
    doubtful[6] = [0.9, 0.1]
    config = Curate.model_validate(
        {"tail": [{"score": "member_agreement", "threshold": 0.9}], "suspect_labels": None, **FREE}
    )
    place = context()
    Curation(
        dataset(LABELS),
        answers(PROBABILITIES),
        config,
        members=(answers(PROBABILITIES), answers(doubtful)),
    ).run(place)
    assert open_curation(place.folder).kept.tolist() == [0, 1, 2, 3, 4, 5, 7]


def test_answers_about_other_samples_are_refused(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
) -> None:
    curation = Curation(
        dataset([0, 1]), answers([[0.5, 0.5]]), None, members=(answers([[0.2, 0.3, 0.5]] * 2),)
    )
    with pytest.raises(InputError, match="not about these 2 training samples") as caught:
        curation.run(context())
    assert [fault.field for fault in caught.value.faults] == ["answers", "members[0]"]


def test_answers_that_are_nan_are_refused(
    dataset: Callable[..., Dataset],
    answers: Callable[..., AnswerSource],
    context: Callable[..., StageContext],
) -> None:
    with pytest.raises(InputError, match="NaN or infinity"):
        Curation(dataset([0]), answers([[np.nan, 1.0]]), None).run(context())
