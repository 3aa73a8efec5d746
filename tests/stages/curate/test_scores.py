from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.core.labels import UNLABELLED
from edgedistill.core.stage import SilentProgress
from edgedistill.errors import InputError
from edgedistill.stages.curate.scores import Scores, difficulty, score, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgedistill.stages.curate.scores import AnswerSource

PROGRESS = SilentProgress()


def scored(
    answers: AnswerSource, labels: Sequence[int], members: Sequence[AnswerSource] = ()
) -> Scores:
    return score(answers, np.asarray(labels, np.int64), members=members, progress=PROGRESS)


def test_each_score_is_what_it_is_by_hand(answers: Callable[..., AnswerSource]) -> None:
    view_0 = [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]
    view_1 = [[0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.2, 0.2, 0.6]]
    found = scored(answers([view_0, view_1]), [0, 0, UNLABELLED])
    assert found.columns["confidence"] == pytest.approx([0.6, 0.65, 0.7], abs=1e-6)
    assert found.columns["margin"] == pytest.approx([0.3, 0.4, 0.55], abs=1e-6)
    assert found.columns["label_probability"][:2] == pytest.approx([0.6, 0.4], abs=1e-6)
    assert np.isnan(found.columns["label_probability"][2])
    assert found.columns["view_agreement"].tolist() == [1.0, 0.5, 1.0]
    assert found.verdicts.tolist() == [0, 1, 2]
    assert found.contradicted.tolist() == [False, True, False]
    assert found.views == 2
    assert all(column.dtype == np.float32 for column in found.columns.values())


def test_a_tie_between_label_and_another_class_is_no_contradiction(
    answers: Callable[..., AnswerSource],
) -> None:
    assert not scored(answers([[0.5, 0.5]]), [1]).contradicted.any()


def test_members_agree_by_the_share_that_says_what_all_say(
    answers: Callable[..., AnswerSource],
) -> None:
    sure, other = [[0.9, 0.1], [0.9, 0.1]], [[0.6, 0.4], [0.4, 0.6]]
    members = [answers(sure), answers(sure), answers(other)]
    found = scored(answers(sure), [0, 0], members)
    assert found.columns["member_agreement"] == pytest.approx([1.0, 2 / 3])
    assert "member_agreement" not in scored(answers(sure), [0, 0], members[:1]).columns


def test_members_agree_over_their_views_together(answers: Callable[..., AnswerSource]) -> None:
    member = answers([[[0.6, 0.4]], [[0.1, 0.9]]])
    found = scored(answers([[0.9, 0.1]]), [0], [member, answers([[0.9, 0.1]])])
    assert found.columns["member_agreement"].tolist() == [0.5]


def test_scores_do_not_depend_on_the_chunks(
    answers: Callable[..., AnswerSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    source = answers(generator.dirichlet(np.ones(4), size=(3, 50)))
    labels = generator.integers(-1, 4, 50).tolist()
    whole = scored(source, labels, [source, source])
    monkeypatch.setattr("edgedistill.stages.curate.scores._CHUNK_VALUES", 28)
    in_sevens = scored(source, labels, [source, source])
    for name, column in whole.columns.items():
        np.testing.assert_array_equal(column, in_sevens.columns[name])
    np.testing.assert_array_equal(whole.verdicts, in_sevens.verdicts)
    np.testing.assert_array_equal(whole.contradicted, in_sevens.contradicted)


class Watched:
    """Answers of a great many samples that are made when asked for, and counted."""

    views, samples, classes = 2, 300_000, 10

    def __init__(self) -> None:
        self.most, self.asked = 0, 0

    def logits(self, views: np.ndarray, indices: np.ndarray) -> np.ndarray:
        assert len(views) == len(indices)
        self.most, self.asked = max(self.most, len(indices)), self.asked + len(indices)
        return np.zeros((len(indices), 10), np.float32)


def test_memory_is_flat_in_the_number_of_samples() -> None:
    source = Watched()
    scored(source, [0] * source.samples)
    assert source.asked == 2 * 300_000
    assert source.most <= 2**20 // 10


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_no_number_is_refused(
    answers: Callable[..., AnswerSource], bad: float
) -> None:
    source = answers([[[0.9, 0.1]] * 4] * 2)
    source.values[1, 2, 0] = bad  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"NaN or infinity in view 1 of sample 2.*run again"):
        scored(source, [0] * 4)


def test_huge_logits_do_not_overflow(answers: Callable[..., AnswerSource]) -> None:
    source = answers([[0.5, 0.5]])
    source.values[:] = [3e38, -3e38]  # type: ignore[attr-defined]
    found = scored(source, [1])
    assert found.columns["confidence"].tolist() == [1.0]
    assert found.columns["label_probability"].tolist() == [0.0]


def test_the_surest_are_easiest_and_the_surest_contradictions_hardest(
    answers: Callable[..., AnswerSource],
) -> None:
    source = answers([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.55, 0.45]])
    found = scored(source, [0, 0, 0, 0, UNLABELLED])
    hidden = np.zeros(5, dtype=bool)
    assert difficulty(found, hidden).tolist() == [0.25, 0.0, 1.0, 0.75, 0.5]
    hidden[2] = True
    assert difficulty(found, hidden).tolist() == [0.5, 0.0, 0.25, 1.0, 0.75]


def test_one_sample_alone_is_easy(answers: Callable[..., AnswerSource]) -> None:
    assert difficulty(scored(answers([[0.6, 0.4]]), [1]), np.zeros(1, bool)).tolist() == [0.0]


def test_equally_easy_samples_come_from_all_over_the_data_set(
    answers: Callable[..., AnswerSource],
) -> None:
    found = scored(answers([[1.0, 0.0]] * 1000), [0] * 1000)
    ranks = difficulty(found, np.zeros(1000, bool))
    assert len(set(ranks.tolist())) == 1000
    first = np.flatnonzero(ranks < 0.1)
    in_tenths = np.bincount(first // 100, minlength=10)
    assert in_tenths.min() >= 9
    assert in_tenths.max() <= 11


@given(st.integers(1, 3000), st.floats(0.01, 1))
def test_the_lowest_keys_lie_evenly_among_the_indices(size: int, share: float) -> None:
    keys = spread(size)
    assert len(np.unique(keys)) == size
    chosen = np.sort(np.argsort(keys)[: max(1, int(share * size))])
    gaps = np.diff(np.concatenate([[-1], chosen, [size]]))
    # Three-distance theorem: the gaps of multiples of the golden ratio stay within a small factor.
    assert gaps.max() <= 4 * size / len(chosen) + 1
