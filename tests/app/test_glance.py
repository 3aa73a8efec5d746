"""Whether a scheme is worth its ladder, from samples of a first look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgedistill.app.attempt import why_not_made
from edgedistill.app.glance import (
    GLANCE,
    GLANCED,
    is_worth_a_glance,
    nothing_where_slow,
    why_not_worth,
)
from edgedistill.bench.samples import Plan, Samples, Surroundings, write_samples
from edgedistill.core.evidence import Conditions
from edgedistill.core.quantizing import Quantize
from edgedistill.core.stage import StageContext

if TYPE_CHECKING:
    from pathlib import Path

CALM = Surroundings(temperature_c={}, clock_mhz={}, load_average=0.0)


def looked(folder: Path, **median_ms: float) -> Path:
    """Samples that scatter by 1 % around their medians."""
    noise = np.random.default_rng(0)
    shape = (GLANCE.rounds, GLANCE.runs_per_round)
    runs = {
        name.replace("_", "-"): tuple(
            tuple(int(ns) for ns in row)
            for row in 1e6 * median * (1 + 0.01 * noise.standard_normal(shape))
        )
        for name, median in median_ms.items()
    }
    samples = Samples(
        conditions=Conditions(
            device="host",
            processor="a processor",
            machine="x86_64",
            runtime="onnxruntime",
            provider="CPUExecutionProvider",
            threads=1,
            operating_system="Linux",
        ),
        plan=Plan(
            warmup_runs=GLANCE.warmup_runs,
            rounds=GLANCE.rounds,
            runs_per_round=GLANCE.runs_per_round,
            seeds=(0,),
            orders=(tuple(runs),) * GLANCE.rounds,
        ),
        sha256=dict.fromkeys(runs, "0" * 64),
        wall_ns=runs,
        cpu_ns=runs,
        before=CALM,
        after=CALM,
    )
    folder.mkdir(exist_ok=True)
    write_samples(samples, folder)
    return folder


def test_a_scheme_that_is_slower_for_sure_is_not_worth_its_ladder(tmp_path: Path) -> None:
    folder = looked(tmp_path, fp32=1.0, int8_S8S8=2.0, int8_U8U8=1.05)
    reason = why_not_worth(folder, "int8-S8S8")
    assert reason is not None
    assert "it is only 0.50x [0.49, 0.5" in reason
    assert why_not_worth(folder, "int8-U8U8") is not None


def test_one_that_is_faster_or_cannot_be_told_apart_is(tmp_path: Path) -> None:
    folder = looked(tmp_path, fp32=1.0, int8_S8S8=0.5, int8_U8U8=1.0005)
    assert why_not_worth(folder, "int8-S8S8") is None
    assert why_not_worth(folder, "int8-U8U8") is None


def test_one_without_a_plain_file_is_left_to_its_own_step(tmp_path: Path) -> None:
    assert why_not_worth(looked(tmp_path, fp32=1.0), "int8-S8S8") is None


def test_what_is_left_of_a_slow_scheme_is_the_reason(tmp_path: Path) -> None:
    folder = looked(tmp_path / "glance", fp32=1.0, int8_S8S8=2.0, int8_U8U8=0.5)
    left = nothing_where_slow({GLANCED: folder}, "int8-S8S8")
    assert left is not None
    facts = left.run(StageContext(tmp_path)).facts
    assert why_not_made(facts) == why_not_worth(folder, "int8-S8S8")
    assert nothing_where_slow({GLANCED: folder}, "int8-U8U8") is None


def test_where_nobody_looked_the_ladder_is_climbed(tmp_path: Path) -> None:
    assert nothing_where_slow({"model": tmp_path}, "int8-S8S8") is None


def test_only_a_ladder_is_worth_a_look() -> None:
    assert is_worth_a_glance(Quantize())
    assert not is_worth_a_glance(Quantize(methods=()))
    assert not is_worth_a_glance(Quantize(backend="onnxruntime"))
