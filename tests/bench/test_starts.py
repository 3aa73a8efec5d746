from __future__ import annotations

import math
import random
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.bench.samples import Samples
from edgedistill.bench.starts import measure_until_settled, start_ratio
from edgedistill.bench.statistics import order_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKS = (16, 32, 64)


def starts(truth: float, spread: float, seed: int) -> Iterator[dict[str, float]]:
    draw = random.Random(seed)
    while True:
        yield {"p50": truth * math.exp(draw.gauss(0.0, spread))}


def test_looking_several_times_does_not_raise_the_share_of_errors() -> None:
    """At the limit itself every decision is an error, and the confidence says how many may be."""
    confidence, runs = 0.7, 300
    wrong = 0
    for seed in range(runs):
        course = measure_until_settled(
            starts(1.05, 0.05, seed), {"p50": 1.05}, confidence=confidence, looks=LOOKS
        )
        found = course.interval("p50", confidence)
        assert found is not None
        wrong += not found.low <= 1.05 <= found.high
    allowed = (1 - confidence) * runs
    assert wrong <= allowed + 3 * math.sqrt(allowed)


@pytest.mark.parametrize("truth", [0.9, 1.2])
def test_what_is_clear_is_settled_at_the_first_look(truth: float) -> None:
    course = measure_until_settled(
        starts(truth, 0.01, 0), {"p50": 1.05}, confidence=0.99, looks=LOOKS
    )
    assert len(course.ratios["p50"]) == LOOKS[0]
    found = course.interval("p50", 0.99)
    assert found is not None
    assert (found.high <= 1.05) == (truth < 1.05)
    assert found.value == median(course.ratios["p50"])


def test_it_goes_on_until_every_limit_is_settled_and_stops_at_the_bound() -> None:
    asked = count()

    def both() -> Iterator[dict[str, float]]:
        for clear, close in zip(starts(0.5, 0.01, 1), starts(1.05, 0.05, 2), strict=False):
            next(asked)
            yield {"clear": clear["p50"], "close": close["p50"]}

    limits = {"clear": 1.05, "close": 1.05}
    course = measure_until_settled(both(), limits, confidence=0.95, looks=LOOKS)
    assert len(course.ratios["clear"]) == len(course.ratios["close"]) == LOOKS[-1]
    assert next(asked) == LOOKS[-1], "no start beyond the bound is asked for"


def test_each_look_pays_its_share_of_the_confidence() -> None:
    course = measure_until_settled(starts(1.0, 0.1, 3), {"p50": 1.0}, confidence=0.95, looks=(40,))
    alone = course.interval("p50", 0.95)
    shared = type(course)(course.ratios, 10).interval("p50", 0.95)
    assert alone is not None
    assert shared is not None
    assert shared == type(course)(course.ratios, 1).interval("p50", 0.995)
    assert shared.low < alone.low < alone.high < shared.high


def test_a_limit_that_is_touched_is_kept() -> None:
    exact = iter([{"p50": 1.05}] * 64)
    course = measure_until_settled(exact, {"p50": 1.05}, confidence=0.95, looks=LOOKS)
    assert len(course.ratios["p50"]) == LOOKS[0]


def test_too_few_starts_for_a_confidence_have_no_interval() -> None:
    course = measure_until_settled(
        starts(1.0, 0.1, 4), {"p50": 2.0}, confidence=0.999999999, looks=(12,)
    )
    assert order_bounds(12, 0.5, 0.999999999) is None
    assert course.interval("p50", 0.999999999) is None


def samples(threads: int) -> Samples:
    """The first model takes 3 ms of the wall and 2 ms of the processor, the second 1 ms of each."""
    wall, cpu = ({"a": a, "b": 1_000_000} for a in (3_000_000, 2_000_000))
    document: dict[str, Any] = {
        "conditions": {
            "device": "host",
            "processor": "p",
            "machine": "x86_64",
            "runtime": "onnxruntime 1",
            "provider": "CPUExecutionProvider",
            "threads": threads,
            "operating_system": "Linux",
        },
        "plan": {
            "warmup_runs": 1,
            "rounds": 2,
            "runs_per_round": 3,
            "seeds": [0],
            "orders": [["a", "b"], ["b", "a"]],
        },
        "sha256": {"a": "0" * 64, "b": "1" * 64},
        "wall_ns": {name: [[value] * 3] * 2 for name, value in wall.items()},
        "cpu_ns": {name: [[value] * 3] * 2 for name, value in cpu.items()},
        "before": {"temperature_c": {}, "clock_mhz": {}, "load_average": 0.0},
        "after": {"temperature_c": {}, "clock_mhz": {}, "load_average": 0.0},
    }
    return Samples.read(document, file="samples")


def test_one_thread_is_timed_by_the_processors_clock_and_several_by_the_wall() -> None:
    assert start_ratio(samples(1), "a", "b", 0.95) == 2.0
    assert start_ratio(samples(2), "a", "b", 0.5) == 3.0
    assert start_ratio(samples(2), "b", "a", 0.5) == pytest.approx(1 / 3)
