from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from torch import nn

from edgedistill.app.networks import Networks
from edgedistill.app.plan import tree
from edgedistill.app.road import lay_road
from edgedistill.data import open_source
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.app.resolve import Resolved
    from edgedistill.app.road import Road


def _road(resolved: Resolved, base: Path) -> Road:
    source = open_source(resolved.recipe.data, base=base)
    return lay_road(resolved, source, Networks(resolved.recipe))


def _keys(road: Road, name: str) -> set[str]:
    return {step.key for step in road.plan.steps if step.name == name}


def test_two_targets_share_all_up_to_their_own_scheme(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    steps = _road(tiny(), tmp_path).plan.steps
    both = ("host", "jetson-orin-nano")
    for name in ("data", "teacher", "answers", "distill", "prune", "recover"):
        shared = [step for step in steps if step.name == name]
        assert [step.targets for step in shared] == [both], name
    titles = [(step.targets, step.title) for step in steps if step.name == "quantize"]
    own = {target: [title for (name,), title in titles if name == target] for target in both}
    assert own["host"][0] == "quantize: int8-U8S8, min-max calibration"
    assert "quantize: int8-dynamic" in own["host"]
    assert [title.rpartition(": ")[2] for title in own["jetson-orin-nano"]] == [
        "int8-S8S8, min-max calibration",
        "int8-S8S8-tuned, min-max calibration, of the fine-tuned network",
        "fp16",
    ]


def test_a_recipe_may_have_the_first_scheme_alone(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    every = _road(tiny(), tmp_path)
    first = _road(tiny(stages__quantize={"candidates": "first"}), tmp_path)
    assert len(_keys(first, "quantize")) == 4  # one a target, and one of a fine-tuned network
    assert _keys(first, "quantize") < _keys(every, "quantize")
    assert [one.name for one in first.targets["host"].branches[0].variants] == [
        "int8-U8S8",
        "int8-U8S8-tuned",
    ]


def test_devices_with_the_same_scheme_share_its_file(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    boards = {"raspberry-pi-4": {}, "raspberry-pi-5": {}}
    road = _road(tiny(targets=boards), tmp_path)
    schemes = [
        tuple(one.name for one in target.branches[0].variants) for target in road.targets.values()
    ]
    wanted = ("int8-U8S8", "int8-U8S8-tuned", "int8-S8S8", "int8-dynamic")
    assert schemes == [wanted, wanted]
    assert len(_keys(road, "quantize")) == 4


def test_each_step_comes_after_what_it_reads(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    seen: set[str] = set()
    for step in _road(tiny(), tmp_path).plan.steps:
        assert set(step.inputs.values()) <= seen
        seen.add(step.key)


def test_a_changed_key_changes_only_what_depends_on_it(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    before = _road(tiny(), tmp_path)
    after = _road(tiny(stages__prune__macs_ratio=0.5), tmp_path)
    for name in ("data", "teacher", "answers", "distill"):
        assert _keys(before, name) == _keys(after, name), name
    for name in ("prune", "recover", "quantize", "measure"):
        assert _keys(before, name).isdisjoint(_keys(after, name)), name
    recovered = _road(
        tiny(stages__prune__recover={"train": {"epochs": 2, "batch_size": 128}}), tmp_path
    )
    assert _keys(before, "prune") == _keys(recovered, "prune")
    assert _keys(before, "recover").isdisjoint(_keys(recovered, "recover"))


def test_a_budget_changes_no_step(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    before = _road(tiny(), tmp_path)
    after = _road(tiny(targets__host__budget={"max_size_mb": 0.001}), tmp_path)
    assert {step.key for step in before.plan.steps} == {step.key for step in after.plan.steps}


def test_a_target_may_differ_in_a_stage(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    road = _road(tiny(targets__host__stages={"prune": {"macs_ratio": 0.4}}), tmp_path)
    pruned = {step.targets: step.title for step in road.plan.steps if step.name == "prune"}
    assert "0.4 of the MACs" in pruned[("host",)]
    assert "0.6 of the MACs" in pruned[("jetson-orin-nano",)]
    assert len(_keys(road, "distill")) == 1


def test_without_a_student_the_teacher_itself_is_compressed(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    road = _road(tiny(student=None), tmp_path)
    assert not _keys(road, "distill")
    branch = road.targets["host"].branches[0]
    assert branch.steps == ("teacher", "pruned")
    assert list(branch.exports)[:3] == ["teacher", "pruned", "int8-U8S8"]
    assert list(branch.exports)[2:] == [one.name for one in branch.variants]
    pruned = next(step for step in road.plan.steps if step.name == "prune")
    assert pruned.inputs["network"] == road.teacher.key


def test_a_stage_set_to_null_is_left_out(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    road = _road(tiny(stages__prune=None, stages__quantize=None, stages__benchmark=None), tmp_path)
    assert list(road.targets["host"].branches[0].exports) == ["teacher", "distilled"]
    assert road.targets["host"].measurement is None


def test_a_device_that_is_not_at_hand_is_not_measured(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    road = _road(tiny(), tmp_path)
    assert road.targets["host"].measurement is not None
    assert road.targets["jetson-orin-nano"].measurement is None


def test_operators_are_timed_where_latencies_are(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    road = _road(tiny(), tmp_path)
    host = road.targets["host"]
    assert host.measurement is not None
    assert host.operators is not None
    assert list(host.operators.inputs) == list(host.measurement.inputs)
    assert road.targets["jetson-orin-nano"].operators is None
    assert road.measurements == (host.measurement, host.operators)
    other = _road(tiny(stages__benchmark__runs_per_round=3), tmp_path).targets["host"]
    assert other.measurement is not None
    assert other.measurement.key != host.measurement.key
    assert other.operators is not None
    assert other.operators.key == host.operators.key


def test_the_tree_shows_what_is_shared_stored_and_to_be_run(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    road = _road(tiny(), tmp_path)
    lines = tree(road.plan, stored=lambda step: step.name == "data", targets=2)
    assert lines[0] == "data: read sklearn:digits  [stored; all targets]"
    assert len(lines) == len(road.plan.steps)
    assert sum("└─ " in line or "├─ " in line for line in lines) == len(lines) - 1
    distill = next(line for line in lines if "distill:" in line)
    assert distill.endswith("[to run; all targets]")
    assert any(line.endswith("[to run; host]") and "measure" in line for line in lines)


def test_a_student_without_weights_must_be_taught_for_every_target(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    untaught = {"targets__jetson-orin-nano__stages": {"distill": None}}
    with pytest.raises(InputError, match=r"stages\.distill: is left out, but the student has no"):
        _road(tiny(**untaught), tmp_path)
    whole = {"source": "live:net"}
    resolved = tiny(**untaught, student=whole)
    source = open_source(resolved.recipe.data, base=tmp_path)
    road = lay_road(
        resolved, source, Networks(resolved.recipe, {"net": nn.Sequential(nn.Linear(64, 10))})
    )
    assert [step.targets for step in road.plan.steps if step.name == "student"] == [
        ("jetson-orin-nano",)
    ]


STUDENTS = [
    {"name": name, "source": "builtin:residual-cnn", "args": {"width": width, "stages": 2}}
    for name, width in (("small", 4), ("middle", 8), ("wide", 16))
]


def test_several_students_share_data_teacher_and_answers(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    road = _road(tiny(student=STUDENTS), tmp_path)
    for name in ("data", "teacher", "answers", "measure"):
        assert len(_keys(road, name)) == 1, name
    for name in ("distill", "prune", "recover"):
        assert len(_keys(road, name)) == 3, name
    variants = [one for target in road.targets.values() for one in target.branches[0].variants]
    looked_at = [one for one in road.targets["host"].branches[0].variants if one.is_further]
    assert len(_keys(road, "glance")) == 3
    assert len(_keys(road, "quantize")) == 3 * (len(variants) + len(looked_at))
    titles = [step.title for step in road.plan.steps]
    for student in ("small", "middle", "wide"):
        for name in ("distill", "prune", "recover", "export", "quantize", "predict"):
            assert any(title.startswith(f"{name}: {student}: ") for title in titles), name


def test_all_networks_of_all_students_are_measured_in_one_step(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    road = _road(tiny(student=STUDENTS), tmp_path).targets["host"]
    assert road.measurement is not None
    variants = [one.name for one in road.branches[0].variants]
    assert "int8-U8S8" in variants
    assert list(road.measurement.inputs) == [
        "data",
        "teacher",
        *(
            f"{student}/{step}"
            for student in ("small", "middle", "wide")
            for step in ("distilled", "pruned", *variants)
        ),
    ]
    assert [branch.student for branch in road.branches] == ["small", "middle", "wide"]


def test_a_students_steps_are_the_same_alone_and_beside_others(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    alone = _road(tiny(student={key: STUDENTS[1][key] for key in ("source", "args")}), tmp_path)
    listed = _road(tiny(student=[STUDENTS[1]]), tmp_path)
    beside = _road(tiny(student=STUDENTS), tmp_path)
    assert {step.key: step.title for step in alone.plan.steps} == {
        step.key: step.title for step in listed.plan.steps
    }
    for name in ("distill", "prune", "recover", "export", "quantize", "predict"):
        assert _keys(alone, name) < _keys(beside, name), name
    assert _keys(alone, "measure").isdisjoint(_keys(beside, "measure"))
