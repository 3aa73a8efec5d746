from __future__ import annotations

import random

import pytest

from edgedistill.bench.stability import disturbances, serial_z, waiting_share


def quiet(seed: int = 0, rounds: int = 30) -> list[list[int]]:
    generator = random.Random(seed)
    return [[round(generator.gauss(1e6, 1e4)) for _ in range(10)] for _ in range(rounds)]


def test_a_quiet_machine_is_stable() -> None:
    for seed in range(20):
        assert disturbances(quiet(seed), quiet(seed), processor_bound=True) == ()


def test_waiting_for_the_processor_is_seen_where_the_clocks_should_agree() -> None:
    cpu = quiet()
    wall = [[2 * run if place < 3 else run for place, run in enumerate(runs)] for runs in cpu]
    assert waiting_share(wall, cpu) == pytest.approx(0.3)
    (reason,) = disturbances(wall, cpu, processor_bound=True)
    assert "30% of the runs" in reason
    assert disturbances(wall, cpu, processor_bound=False) == ()


def test_a_clock_that_slows_down_is_seen() -> None:
    wall = [[run + 4_000 * place for run in runs] for place, runs in enumerate(quiet())]
    (reason,) = disturbances(wall, wall, processor_bound=True)
    assert "wander" in reason


def test_rounds_far_apart_are_seen() -> None:
    wall = [[run * (1 + place % 2) for run in runs] for place, runs in enumerate(quiet())]
    (reason,) = disturbances(wall, wall, processor_bound=True)
    assert "scatter" in reason


def test_serial_correlation_is_a_standard_normal_in_chance() -> None:
    generator = random.Random(1)
    found = [serial_z([generator.random() for _ in range(50)]) for _ in range(2000)]
    mean = sum(found) / len(found)
    variance = sum((z - mean) ** 2 for z in found) / len(found)
    assert mean == pytest.approx(0.0, abs=0.15)
    assert variance == pytest.approx(1.0, abs=0.15)
    assert serial_z([5.0] * 10) == 0.0
