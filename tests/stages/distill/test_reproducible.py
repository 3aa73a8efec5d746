from __future__ import annotations

import random

import pytest
import torch
from torch.utils import deterministic

from edgedistill.stages.distill.reproducible import reproducible


def state() -> tuple[object, ...]:
    return (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        deterministic.fill_uninitialized_memory,
        torch.random.get_rng_state().tolist(),
        random.getstate(),
    )


def test_torch_is_left_as_it_was_found_even_after_an_error() -> None:
    before = state()

    def fail() -> None:
        with reproducible(seed=3, threads=2):
            assert torch.get_num_threads() == 2
            assert torch.are_deterministic_algorithms_enabled()
            torch.rand(3)
            random.random()
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert state() == before


def test_draws_depend_on_the_seed_alone() -> None:
    draws = []
    for seed in (1, 1, 2):
        with reproducible(seed=seed, threads=1):
            draws.append((torch.rand(4).tolist(), random.random()))
    assert draws[0] == draws[1] != draws[2]
