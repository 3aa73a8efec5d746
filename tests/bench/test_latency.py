from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.bench.latency import latency
from edgedistill.bench.statistics import percentile_interval, ratio_interval
from edgedistill.core.evidence import Evidence
from edgedistill.core.figure import LADDER
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from tests.bench.conftest import MakeSamples

DEVICE = Evidence.MEASURED_ON_DEVICE


def rounds_of(median_ns: float, *, seed: int, rounds: int = 30, runs: int = 10) -> list[list[int]]:
    generator = random.Random(seed)
    return [
        [round(median_ns * generator.lognormvariate(0.0, 0.02)) for _ in range(runs)]
        for _ in range(rounds)
    ]


def test_latency_is_wall_time_in_milliseconds(make_samples: MakeSamples) -> None:
    wall = rounds_of(3e6, seed=0)
    half = [[run // 2 for run in runs] for runs in wall]
    found = latency(make_samples({"a": wall}, {"a": half}), "a", reference=None, evidence=DEVICE)
    assert found.p90_ms is not None
    assert found.p95_ms is not None
    for figure, share in ((found.p50_ms, 0.5), (found.p90_ms, 0.9), (found.p95_ms, 0.95)):
        assert figure.value == pytest.approx(np.quantile(wall, share) / 1e6)
        assert figure.low < figure.value < figure.high
        assert (figure.evidence, figure.confidence, figure.samples) == (DEVICE, 0.95, 300)
        assert "wall clock" in figure.method
    assert found.speedup is None
    assert not found.stable  # the process waited half of the time


def test_on_one_thread_the_speedup_is_by_the_processor_clock(make_samples: MakeSamples) -> None:
    cpu = {"teacher": rounds_of(8e6, seed=1), "int8": rounds_of(2e6, seed=2)}
    wall = {name: rounds_of(9e6, seed=3) for name in cpu}
    found = latency(make_samples(wall, cpu), "int8", reference="teacher", evidence=DEVICE)
    assert found.speedup is not None
    assert found.speedup.value == pytest.approx(4.0, rel=0.02)
    assert found.speedup.low < 4.0 < found.speedup.high
    assert "processor clock" in found.speedup.method
    assert found.speedup.samples == 30


@pytest.mark.parametrize(
    "conditions", [{"threads": 2}, {"provider": "CUDAExecutionProvider"}], ids=["threads", "gpu"]
)
def test_else_the_speedup_is_by_the_wall_clock(
    make_samples: MakeSamples, conditions: dict[str, object]
) -> None:
    wall = {"teacher": rounds_of(6e6, seed=1), "int8": rounds_of(2e6, seed=2)}
    cpu = {name: rounds_of(1e6, seed=3) for name in wall}
    samples = make_samples(wall, cpu, **conditions)
    found = latency(samples, "int8", reference="teacher", evidence=DEVICE)
    assert found.speedup is not None
    assert found.speedup.value == pytest.approx(3.0, rel=0.02)
    assert "wall clock" in found.speedup.method
    assert found.stable


def test_few_samples_claim_a_median_only(make_samples: MakeSamples) -> None:
    wall = {"a": rounds_of(1e6, seed=0, rounds=10, runs=1)}
    found = latency(make_samples(wall), "a", reference="a", evidence=DEVICE)
    assert (found.p90_ms, found.p95_ms, found.speedup) == (None, None, None)


def test_no_extreme_percentile_is_claimed_without_the_milder_one(
    make_samples: MakeSamples,
) -> None:
    generator = random.Random(104)  # by chance its rounds look independent at the 95th percentile
    wall = []
    for _ in range(30):
        level = generator.gauss(0.0, 0.25)
        noise = [generator.gauss(0.0, 0.2) for _ in range(10)]
        wall.append([round(1e6 * math.exp(level + run)) for run in noise])
    assert percentile_interval(wall, 0.9, 0.95) is None
    assert percentile_interval(wall, 0.95, 0.95) is not None
    found = latency(make_samples({"a": wall}), "a", reference=None, evidence=DEVICE)
    assert (found.p90_ms, found.p95_ms) == (None, None)


def test_too_few_even_for_the_median_is_an_error(make_samples: MakeSamples) -> None:
    wall = {"a": rounds_of(1e6, seed=0, rounds=5)}
    with pytest.raises(InputError, match="too few rounds to state the median at 95% confidence"):
        latency(make_samples(wall), "a", reference=None, evidence=DEVICE)


def test_a_model_that_was_not_measured_is_an_error(make_samples: MakeSamples) -> None:
    samples = make_samples({"a": rounds_of(1e6, seed=0)})
    with pytest.raises(InputError) as caught:
        latency(samples, "b", reference="c", evidence=DEVICE)
    assert [fault.given for fault in caught.value.faults] == ["b", "c"]


def test_higher_confidences_come_from_the_same_order_statistics(make_samples: MakeSamples) -> None:
    walls = {"a": rounds_of(3e6, seed=5), "b": rounds_of(6e6, seed=6)}
    found = latency(make_samples(walls, walls), "a", reference="b", evidence=DEVICE)
    for figure, share in ((found.p50_ms, 0.5), (found.p90_ms, 0.9)):
        assert figure is not None
        assert figure.wider
        for rung in figure.wider:
            own = percentile_interval(walls["a"], share, rung.confidence)
            assert own is not None
            assert (rung.low, rung.high) == (own.low / 1e6, own.high / 1e6)
    assert found.speedup is not None
    ratios = {at: ratio_interval(walls["b"], walls["a"], at) for at in LADDER}
    assert {rung.confidence: (rung.low, rung.high) for rung in found.speedup.wider} == {
        at: (ratio.low, ratio.high) for at, ratio in ratios.items() if ratio is not None
    }


def test_a_confidence_that_the_samples_do_not_reach_is_absent(make_samples: MakeSamples) -> None:
    walls = {"a": rounds_of(3e6, seed=5, rounds=12), "b": rounds_of(6e6, seed=6, rounds=12)}
    found = latency(make_samples(walls, walls), "a", reference="b", evidence=DEVICE)
    assert found.speedup is not None
    # Of 12 rounds the outermost pair holds the median with 1 - 2 * 2**-12, not with more.
    reached = found.speedup.wider[-1].confidence
    assert 0.95 < reached <= 1 - 2 * 0.5**12 < LADDER[-1]
