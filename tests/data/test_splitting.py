from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.core.labels import UNLABELLED
from edgedistill.data.splitting import hide_labels, stratified, whole_groups


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=120),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
def test_each_stratum_gets_its_share_within_one(strata: list[int], share: float, seed: int) -> None:
    labels = np.array(strata)
    count = round(share * len(labels))
    chosen = stratified(labels, count, seed=seed, purpose=1)
    assert len(chosen) == count
    assert sorted(set(chosen.tolist())) == chosen.tolist()
    for stratum in np.unique(labels):
        exact = count * (labels == stratum).mean()
        assert abs((labels[chosen] == stratum).sum() - exact) < 1 + 1e-9


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 60))
def test_limits_of_each_stratum_hold(strata: list[int], count: int) -> None:
    labels = np.array(strata)
    left = np.setdiff1d(
        np.arange(len(labels)), stratified(labels, count, seed=0, purpose=1, leave=1)
    )
    assert set(labels[left]) == set(strata)
    kept = stratified(labels, count, seed=0, purpose=1, at_least=1)
    assert set(labels[kept]) == set(strata)


def test_the_seed_and_the_purpose_decide() -> None:
    labels = np.arange(200) % 4
    chosen = stratified(labels, 40, seed=1, purpose=1)
    assert np.array_equal(chosen, stratified(labels, 40, seed=1, purpose=1))
    assert not np.array_equal(chosen, stratified(labels, 40, seed=2, purpose=1))
    assert not np.array_equal(chosen, stratified(labels, 40, seed=1, purpose=2))


def test_every_sample_is_chosen_as_often_as_any_other() -> None:
    labels = np.array([0] * 30 + [1] * 10)
    times = np.zeros(40)
    for seed in range(400):
        times[stratified(labels, 8, seed=seed, purpose=1)] += 1
    assert np.abs(times / 400 - 0.2).max() < 4.5 * np.sqrt(0.2 * 0.8 / 400)


def test_groups_stay_whole() -> None:
    groups = np.array(["ann", "bob", "cat", "dan", "eve"]).repeat([10, 20, 10, 40, 20])
    for seed in range(20):
        chosen = whole_groups(groups, 20, seed=seed, purpose=1)
        inside = set(groups[chosen])
        assert inside.isdisjoint(np.delete(groups, chosen))
        assert 10 <= len(chosen) <= 30


def test_one_group_cannot_be_cut() -> None:
    assert len(whole_groups(np.array(["ann"] * 5), 2, seed=0, purpose=1)) == 0


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 1.0])
def test_hidden_labels(share: float) -> None:
    labels = np.array([0] * 100 + [1] * 50 + [2] * 10)
    hidden = hide_labels(labels, share, seed=0)
    kept = hidden != UNLABELLED
    assert np.array_equal(hidden[kept], labels[kept])
    assert kept.sum() == max(3, round(share * 160))
    assert set(hidden[kept]) == {0, 1, 2}
