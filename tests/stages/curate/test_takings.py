from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.core.curation import Curate, Cut, SuspectLabels
from edgedistill.core.labels import UNLABELLED
from edgedistill.errors import InputError
from edgedistill.stages.curate.ledger import NOBODY, class_ledger, first_takers
from edgedistill.stages.curate.scores import Scores
from edgedistill.stages.curate.takings import Taking, share_of, suspects, takings

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ("confidence", "margin", "label_probability", "view_agreement")


def scores(
    values: Sequence[float],
    *,
    contradicted: Sequence[bool] | None = None,
    columns: Sequence[str] = COLUMNS,
    views: int = 2,
) -> Scores:
    column = np.asarray(values, np.float32)
    against = np.zeros(len(column), bool) if contradicted is None else np.asarray(contradicted)
    return Scores(dict.fromkeys(columns, column), np.zeros(len(column), np.int64), against, views)


def one(side: Literal["head", "tail"], cut: Cut, values: Sequence[float]) -> Taking:
    config = Curate.model_validate({side: [cut], "suspect_labels": None})
    (taking,) = takings(config, scores(values), np.zeros(len(values), np.int64))
    return taking


VALUES = (0.9, 0.1, 0.5, 0.8, 0.3)


@pytest.mark.parametrize(
    ("side", "key", "value", "expected"),
    [
        ("head", "quantile", 0.4, {0, 3}),
        ("tail", "quantile", 0.4, {1, 4}),
        ("head", "quantile", 0.59, {0, 3}),
        ("tail", "quantile", 0.6, {1, 4, 2}),
        ("tail", "quantile", 0.1, set()),
        ("head", "threshold", 0.5, {0, 3}),
        ("tail", "threshold", 0.5, {1, 4}),
        ("head", "threshold", 0.9, set()),
        ("tail", "threshold", 0.1, set()),
        ("tail", "threshold", 1.0, {0, 1, 2, 3, 4}),
    ],
)
def test_a_cut_takes_what_it_takes_by_hand(
    side: Literal["head", "tail"], key: str, value: float, expected: set[int]
) -> None:
    taking = one(side, Cut.model_validate({"score": "confidence", key: value}), VALUES)
    assert set(taking.taken.tolist()) == expected
    assert taking.field == f"stages.curate.{side}[0]"


def test_a_share_of_equals_is_taken_exactly_from_all_over_the_data_set() -> None:
    taking = one("head", Cut(score="confidence", quantile=0.29), [1.0] * 100)
    assert taking.count == 29
    assert np.bincount(taking.taken // 25, minlength=4).tolist() == pytest.approx([7] * 4, abs=1)
    again = one("head", Cut(score="confidence", quantile=0.29), [1.0] * 100)
    assert taking.taken.tolist() == again.taken.tolist()


def test_samples_without_a_label_are_never_cut_by_its_probability() -> None:
    values = [0.2, math.nan, 0.4, math.nan, 0.6, 0.8]
    taking = one("tail", Cut(score="label_probability", quantile=0.5), values)
    assert taking.taken.tolist() == [0, 2]
    taking = one("tail", Cut(score="label_probability", threshold=1.0), values)
    assert set(taking.taken.tolist()) == {0, 2, 4, 5}


def test_a_sample_counts_for_the_first_cut_that_takes_it() -> None:
    config = Curate(
        head=(Cut(score="confidence", threshold=0.7),),
        tail=(Cut(score="margin", threshold=0.85), Cut(score="margin", threshold=0.2)),
        suspect_labels=None,
    )
    cuts = takings(config, scores(VALUES), np.zeros(5, np.int64))
    takers = first_takers(cuts, 5)
    assert takers.tolist() == [0, 1, 1, 0, 1]
    ledger = class_ledger(cuts, takers, np.array([0, 0, 1, 1, 1]), ("a", "b", "c"))
    assert ledger.taken.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert ledger.before.tolist() == [2, 3, 0]
    assert ledger.left.tolist() == [0, 0, 0]
    assert ledger.of(ledger.taken[0]) == {"a": 1, "b": 1}


def test_the_skew_is_how_a_share_moves() -> None:
    config = Curate(tail=(Cut(score="confidence", threshold=0.5),), suspect_labels=None)
    cuts = takings(config, scores([0.1] * 3 + [0.9] * 7), np.zeros(10, np.int64))
    ledger = class_ledger(
        cuts, first_takers(cuts, 10), np.array([0] * 6 + [1] * 4), ("a", "b", "none")
    )
    assert ledger.skew == pytest.approx([(6 / 10) / (3 / 7), (4 / 7) / (4 / 10), 1.0])
    assert ledger.facts()["b"]["skew"] == pytest.approx(1 / 0.7)


def test_a_label_is_suspect_far_below_its_classs_own_average() -> None:
    """Class 0 averages 0.5, class 1 averages 0.15: the bars at 0.3 are 0.15 and 0.045."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, UNLABELLED])
    probability = [0.9, 0.8, 0.16, 0.14, 0.36, 0.05, 0.04, math.nan]
    against = [False, False, True, True, True, True, True, False]
    found = suspects(SuspectLabels(), scores(probability, contradicted=against), labels)
    assert found.taken.tolist() == [6, 3]
    assert found.hides
    assert set(found.order.tolist()) == {2, 3, 4, 5, 6}
    assert not suspects(
        SuspectLabels(action="drop"), scores(probability, contradicted=against), labels
    ).hides


def test_an_unbelievable_label_that_the_teacher_does_not_contradict_is_not_suspect() -> None:
    found = suspects(SuspectLabels(), scores([0.9, 0.01]), np.array([0, 0]))
    assert found.count == 0


def test_a_class_of_which_the_teacher_knows_nothing_is_all_suspect() -> None:
    found = suspects(
        SuspectLabels(), scores([0.0, 0.0], contradicted=[True, True]), np.array([0, 0])
    )
    assert found.count == 2


def test_labels_that_are_only_reported_are_not_taken() -> None:
    config = Curate(suspect_labels=SuspectLabels(action="keep"))
    assert takings(config, scores([0.1], contradicted=[True]), np.array([0])) == []


@pytest.mark.parametrize(
    ("score", "views", "labels", "words"),
    [
        ("member_agreement", 2, [0, 0], "two or more members of an ensemble"),
        ("view_agreement", 1, [0, 0], "two or more views"),
        ("label_probability", 2, [UNLABELLED] * 2, "no training sample has one"),
    ],
)
def test_a_score_that_there_is_not_is_refused(
    score: str, views: int, labels: list[int], words: str
) -> None:
    cut = {"score": score, "quantile": 0.1}
    config = Curate.model_validate({"head": [cut], "tail": [cut]})
    with pytest.raises(InputError, match=words) as caught:
        takings(config, scores([0.5, 0.5], views=views), np.array(labels))
    assert [fault.field for fault in caught.value.faults] == [
        "stages.curate.head[0].score",
        "stages.curate.tail[0].score",
    ]


MANY = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1), max_size=60)
QUANTILES = st.integers(1, 999).map(lambda thousandths: thousandths / 1000)
SIDES: st.SearchStrategy[Literal["head", "tail"]] = st.sampled_from(["head", "tail"])


@given(MANY, QUANTILES, SIDES)
def test_a_quantile_takes_just_its_share_and_nothing_from_the_other_end(
    values: list[float], quantile: float, side: Literal["head", "tail"]
) -> None:
    taking = one(side, Cut(score="confidence", quantile=quantile), values)
    assert taking.count == len(set(taking.taken.tolist()))
    assert (
        taking.count
        == Fraction(str(quantile)) * len(values) // 1
        == share_of(quantile, len(values))
    )
    column = np.asarray(values, np.float32)
    gone, stay = column[taking.taken], np.delete(column, taking.taken)
    if len(gone) and len(stay):
        assert gone.min() >= stay.max() if side == "head" else gone.max() <= stay.min()


@given(MANY, QUANTILES, QUANTILES, SIDES)
def test_a_larger_quantile_takes_a_superset(
    values: list[float], one_share: float, other: float, side: Literal["head", "tail"]
) -> None:
    small, large = sorted((one_share, other))
    less = one(side, Cut(score="confidence", quantile=small), values)
    more = one(side, Cut(score="confidence", quantile=large), values)
    assert set(less.taken.tolist()) <= set(more.taken.tolist())


@given(MANY, st.floats(0, 1), SIDES)
def test_a_threshold_takes_just_what_lies_beyond_it(
    values: list[float], threshold: float, side: Literal["head", "tail"]
) -> None:
    taking = one(side, Cut(score="confidence", threshold=threshold), values)
    column, bar = np.asarray(values, np.float32), np.float32(threshold)
    beyond = column > bar if side == "head" else column < bar
    assert set(taking.taken.tolist()) == set(np.flatnonzero(beyond).tolist())


@given(MANY, st.lists(st.tuples(SIDES, QUANTILES), max_size=4), st.integers(1, 5))
def test_what_goes_and_what_stays_are_all_samples(
    values: list[float], cuts: list[tuple[Literal["head", "tail"], float]], classes: int
) -> None:
    config = Curate.model_construct(
        head=tuple(Cut(score="confidence", quantile=q) for side, q in cuts if side == "head"),
        tail=tuple(Cut(score="margin", quantile=q) for side, q in cuts if side == "tail"),
        suspect_labels=None,
    )
    labels = np.arange(len(values)) % classes
    taken = takings(config, scores(values), labels)
    takers = first_takers(taken, len(values))
    ledger = class_ledger(taken, takers, labels, tuple("abcde"[:classes]))
    assert ledger.taken.sum() == (takers != NOBODY).sum()
    assert ledger.left.sum() == (takers == NOBODY).sum()
    assert (ledger.left >= 0).all()
    union = {int(sample) for taking in taken for sample in taking.taken}
    assert union == set(np.flatnonzero(takers != NOBODY).tolist())


@given(MANY.filter(len), st.integers(1, 999), SIDES, st.booleans(), st.data())
def test_the_setting_for_fewer_samples_takes_no_more_than_those(
    values: list[float],
    thousandths: int,
    side: Literal["head", "tail"],
    by_quantile: bool,
    data: st.DataObject,
) -> None:
    key = "quantile" if by_quantile else "threshold"
    setting = {"score": "confidence", key: thousandths / 1000}
    taking = one(side, Cut.model_validate(setting), values)
    if not taking.count:
        return
    fewer = data.draw(st.integers(0, taking.count - 1))
    lowered = taking.setting_for(fewer)
    if by_quantile and lowered == 0:
        assert share_of(1e-6, len(values)) <= fewer
        return
    again = one(side, Cut.model_validate({**setting, key: lowered}), values)
    assert again.count <= fewer
    assert set(again.taken.tolist()) <= set(taking.taken[:fewer].tolist())
