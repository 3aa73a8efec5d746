from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import edgedistill
from edgedistill.app.networks import Networks
from edgedistill.app.road import lay_road
from edgedistill.core.evidence import Evidence
from edgedistill.data import open_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edgedistill.app.plan import PlannedStep
    from edgedistill.app.resolve import Resolved

TRAIN = {"epochs": 1, "batch_size": 256, "learning_rate": 0.01}
SMALL: dict[str, Any] = {
    "teacher": {"source": "builtin:mlp", "args": {"width": 256, "depth": 1}, "train": TRAIN},
    "student": None,
    "targets": {"host": {}},
}
"""A network of one part, so that there is little to price."""


def pruning(**goal: float) -> dict[str, Any]:
    return {**goal, "priced_networks": 2, "round_to": 32, "recover": {"train": TRAIN}}


def steps(resolved: Resolved) -> dict[str, list[PlannedStep]]:
    source = open_source(resolved.recipe.data, base=Path())
    road = lay_road(resolved, source, Networks(resolved.recipe))
    found: dict[str, list[PlannedStep]] = {}
    for step in road.plan.steps:
        found.setdefault(step.name, []).append(step)
    return found


def test_a_goal_that_is_only_counted_needs_no_prices(tiny: Callable[..., Resolved]) -> None:
    planned = steps(tiny(stages__prune=pruning(parameters_ratio=0.5)))

    assert "widths" not in planned
    assert planned["prune"][0].title == "prune: whole channels, to 0.5 of the parameters"


def test_the_cut_reads_what_the_search_stored(tiny: Callable[..., Resolved]) -> None:
    planned = steps(tiny(stages__prune=pruning(max_size_mb=0.1), targets={"host": {}}))

    ((widths,), (table,), (cut,)) = (planned[k] for k in ("widths", "lever-prices", "prune"))
    assert cut.inputs["widths"] == widths.key
    assert widths.inputs["table"] == table.key
    assert cut.title == "prune: whole channels, to max_size_mb 0.1"


def test_another_number_as_the_goal_prices_no_part_again(tiny: Callable[..., Resolved]) -> None:
    one = steps(tiny(stages__prune=pruning(target_latency_ms=1.0)))
    other = steps(tiny(stages__prune=pruning(target_latency_ms=2.0)))

    assert [step.key for step in one["lever-prices"]] == [
        step.key for step in other["lever-prices"]
    ]
    keys = {step.key for planned in (one, other) for step in planned["widths"]}
    assert len(keys) == len(one["widths"]) + len(other["widths"])


def test_each_target_is_searched_for_itself(tiny: Callable[..., Resolved]) -> None:
    planned = steps(tiny(stages__prune=pruning(target_latency_ms=1.0)))

    assert [step.targets for step in planned["widths"]] == [("host",), ("jetson-orin-nano",)]
    assert len(planned["prune"]) == 2


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> edgedistill.CompressionRun:
    """A run whose goal is a size."""
    return edgedistill.compress(
        teacher=SMALL["teacher"],
        data={"source": "sklearn:digits", "splits": {"test": 0.0, "calibration": 16}},
        targets=["host"],
        stages={
            "prune": pruning(max_size_mb=0.05),
            "quantize": None,
            "benchmark": {"warmup_runs": 1, "rounds": 10, "runs_per_round": 1},
        },
        out=tmp_path_factory.mktemp("sized") / "run",
        threads=1,
    )


def test_the_model_that_ships_has_the_size_that_was_asked(
    sized: edgedistill.CompressionRun,
) -> None:
    report = sized.reports["host"]
    (search,) = report.pruning

    assert report.choice.step == "pruned"
    size_mb = report.shipped().size_mb
    assert size_mb is not None
    assert 0.8 * 0.05 <= size_mb.value <= 0.05
    assert search.taken.cost.value == pytest.approx(size_mb.value, rel=1e-3)
    assert search.taken.cost.evidence == Evidence.COUNTED
    assert search.taken.form == "fp32"
    assert search.student == "teacher"


def test_the_report_shows_the_front_and_the_choice(sized: edgedistill.CompressionRun) -> None:
    text = (sized.folder / "targets/host/report.md").read_text(encoding="utf-8")

    section = text.split("## How it came by its widths")[1].split("\n## ")[0]
    assert "`max_size_mb` 0.05" in section
    assert "taken**" in section
    assert "As it ships: " in section
    assert "next wider" in section
