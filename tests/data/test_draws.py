from __future__ import annotations

import numpy as np
import pytest

from edgedistill.data.draws import keys, mix, order, uniform

GOLDEN = 0x9E3779B97F4A7C15


def test_mix_is_splitmix64() -> None:
    # the published test vector of the reference implementation, seed 1234567
    states = [(1234567 + step * GOLDEN) % 2**64 for step in range(5)]
    assert mix(np.array(states, dtype=np.uint64)).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_uniform_numbers_are_uniform_and_independent() -> None:
    key = keys(np.arange(20_000), 5, 1)
    first, second = uniform(key, 0), uniform(key, 1)
    assert first.min() >= 0
    assert first.max() < 1
    counts, _ = np.histogram(first, bins=20, range=(0, 1))
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_square < 43.8  # 0.1 % of the distribution with 19 degrees of freedom lies above
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(20_000)


def test_keys_depend_on_each_part_of_the_context() -> None:
    indices = np.arange(100)
    assert not (keys(indices, 0, 1) == keys(indices, 0, 2)).any()
    assert not (keys(indices, 0, 1) == keys(indices, 1, 0)).any()
    assert len(np.unique(keys(indices, 0, 1))) == 100


@pytest.mark.parametrize("size", [0, 1, 50])
def test_order_is_a_permutation_that_its_context_decides(size: int) -> None:
    assert sorted(order(size, 3, 1).tolist()) == list(range(size))
    assert order(size, 3, 1).tolist() == order(size, 3, 1).tolist()
    if size == 50:
        assert order(size, 3, 1).tolist() != order(size, 4, 1).tolist()
