from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.curation import Curate, SuspectLabels
from edgedistill.core.strict import plain
from edgedistill.errors import InputError


def test_without_a_word_only_suspect_labels_are_hidden() -> None:
    config = Curate.read({}, file="f")
    assert (config.head, config.tail) == ((), ())
    assert config.suspect_labels == SuspectLabels(threshold=0.3, action="hide")


def test_a_curation_is_read_and_written_back() -> None:
    document: dict[str, Any] = {
        "head": [{"score": "confidence", "quantile": 0.2, "threshold": None}],
        "tail": [{"score": "margin", "quantile": None, "threshold": 0.1}],
        "suspect_labels": {"threshold": 0.5, "action": "drop"},
        "max_class_loss": 0.25,
        "max_group_loss": 0.3,
        "min_class_samples": 5,
        "min_group_samples": 0,
        "max_skew": 1.5,
    }
    assert plain(Curate.read(document, file="f")) == document


def test_labels_can_be_believed_all() -> None:
    assert Curate.read({"suspect_labels": None}, file="f").suspect_labels is None


def cut(**keys: object) -> dict[str, object]:
    return {"score": "confidence", **keys}


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({"head": [cut()]}, "head.0", "either a quantile or a threshold"),
        ({"head": [cut(quantile=0.1, threshold=0.5)]}, "head.0", "Give one of them"),
        ({"head": [cut(quantile=0)]}, "head.0.quantile", "greater than 0"),
        ({"tail": [cut(quantile=1)]}, "tail.0.quantile", "less than 1"),
        ({"tail": [cut(threshold=1.5)]}, "tail.0.threshold", "less than or equal to 1"),
        ({"tail": [{"score": "sureness", "quantile": 0.1}]}, "tail.0.score", "'confidence'"),
        (
            {"head": [cut(quantile=0.5)], "tail": [cut(quantile=0.5)]},
            "(whole file)",
            "cut off all samples by confidence",
        ),
        (
            {"head": [cut(threshold=0.4)], "tail": [cut(threshold=0.6)]},
            "(whole file)",
            "cut off all samples by confidence",
        ),
        ({"suspect_labels": {"threshold": 0}}, "suspect_labels.threshold", "greater than 0"),
        ({"suspect_labels": {"action": "burn"}}, "suspect_labels.action", "'hide', 'drop' or"),
        ({"max_class_loss": 1.1}, "max_class_loss", "less than or equal to 1"),
        ({"min_class_samples": 0}, "min_class_samples", "greater than or equal to 1"),
        ({"max_skew": 0.5}, "max_skew", "greater than or equal to 1"),
        ({"max_skew": float("nan")}, "max_skew", "finite"),
        ({"tails": []}, "tails", "Did you mean 'tail'?"),
    ],
)
def test_a_curation_that_makes_no_sense_is_refused(
    document: dict[str, object], field: str, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        Curate.read(document, file="f")
    (fault,) = caught.value.faults
    assert fault.field == field
    assert words in str(fault)


def test_head_and_tail_by_different_scores_may_overlap() -> None:
    config = {"head": [cut(quantile=0.6)], "tail": [{"score": "margin", "quantile": 0.6}]}
    assert len(Curate.read(config, file="f").head) == 1
