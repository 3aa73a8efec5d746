from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill.catalog.profile_edit import with_costs
from edgedistill.catalog.profiles import load, names, profile_file
from edgedistill.core.cost_shape import CostScale
from edgedistill.core.fitted import FittedCost, IntervalFactors
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

COST = FittedCost(
    shape="a-shape",
    scale=CostScale(macs_per_s=3123456789.123),
    measurements=1,
    threads=(1, 4),
    sources=("my own: 100 % of it, measured at home",),
    fitted_on="2026-11-22",
    interval=IntervalFactors(low=0.7, high=1.4),
    tier="few-measurements",
)


@pytest.mark.parametrize("name", names())
def test_a_cost_is_put_into_every_shipped_profile_without_touching_anything_else(
    name: str,
) -> None:
    file = profile_file(name)
    default = load(name).default_runtime
    text, profile = with_costs(file, name="mine", costs={(default, "fp32"): COST})
    assert profile.name == "mine"
    assert profile.runtimes[default].cost["fp32"] == COST
    before = load(str(file))
    for other, runtime in profile.runtimes.items():
        had = before.runtimes[other].cost
        assert {key: runtime.cost[key] for key in had if (other, key) != (default, "fp32")} == {
            key: had[key] for key in had if (other, key) != (default, "fp32")
        }
    comments = [line.strip() for line in file.read_text("utf-8").splitlines() if "# " in line]
    assert [line for line in comments if line not in text] == []


def test_a_comment_stays_with_what_it_stands_before(tmp_path: Path) -> None:
    file = tmp_path / "board.yaml"
    text = profile_file("raspberry-pi-4").read_text("utf-8")
    file.write_text(
        text.replace("default_runtime: cpu", "# the one that most take\ndefault_runtime: cpu"),
        encoding="utf-8",
    )
    written, _ = with_costs(file, name="mine", costs={("cpu", "fp32"): COST})
    lines = written.splitlines()
    assert lines[lines.index("# the one that most take") + 1] == "default_runtime: cpu"
    assert "        threads: [1, 4]" in lines


def test_a_file_that_is_no_profile_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "board.yaml"
    file.write_text("name: board\n", encoding="utf-8")
    with pytest.raises(InputError, match="schema_version: is missing"):
        with_costs(file, name="mine", costs={})
