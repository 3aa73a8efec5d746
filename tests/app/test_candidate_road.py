"""Which candidates of a recipe get a first look, and what reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.app.networks import Networks
from edgedistill.app.road import lay_road
from edgedistill.core.quantized import FLOAT
from edgedistill.data import open_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.app.plan import PlannedStep
    from edgedistill.app.resolve import Resolved
    from edgedistill.app.road import Road

FURTHER = ["int8-U8S8-per-tensor", "int8-U8U8", "int8-S8S8"]
ONLY_HOST: dict[str, Any] = {"targets": {"host": {}}}


def laid(resolved: Resolved) -> Road:
    source = open_source(resolved.recipe.data, base=Path())
    return lay_road(resolved, source, Networks(resolved.recipe))


def glances(road: Road) -> list[PlannedStep]:
    return [step for step in road.plan.steps if step.name == "glance"]


def test_plain_int8_of_each_further_scheme_runs_beside_the_network_it_is_made_of(
    tiny: Callable[..., Resolved],
) -> None:
    road = laid(tiny())
    (glance,) = glances(road)
    branch = road.targets["host"].branches[0]
    assert glance.targets == ("host",)
    assert list(glance.inputs) == ["data", FLOAT, *FURTHER]
    assert glance.inputs[FLOAT] == branch.exports["pruned"].key
    for name in FURTHER:
        plain = road.plan.find(glance.inputs[name])
        assert plain is not None
        assert plain.title == f"quantize: {name}, plain, for a first look"
        assert plain.inputs == {"data": road.data.key, "model": branch.exports["pruned"].key}


def test_what_was_seen_decides_over_further_schemes_alone(tiny: Callable[..., Resolved]) -> None:
    road = laid(tiny())
    (glance,) = glances(road)
    host, jetson = (road.targets[name].branches[0] for name in ("host", "jetson-orin-nano"))
    seen = [name for name, step in host.exports.items() if "glance" in step.inputs]
    assert seen == FURTHER
    assert {host.exports[name].inputs["glance"] for name in seen} == {glance.key}
    assert not [name for name, step in jetson.exports.items() if "glance" in step.inputs]


def test_the_first_scheme_is_made_before_anything_is_looked_at(
    tiny: Callable[..., Resolved],
) -> None:
    road = laid(tiny())
    order = [step.key for step in road.plan.steps]
    first = road.targets["host"].branches[0].exports["int8-U8S8"]
    (glance,) = glances(road)
    assert order.index(first.key) < min(order.index(glance.inputs[name]) for name in FURTHER)


@pytest.mark.parametrize(
    "changes",
    [
        {"targets": {"raspberry-pi-5": {}}},
        {"stages__benchmark": None},
        {"stages__quantize": {"methods": []}},
        {"stages__quantize": {"backend": "onnxruntime"}},
        {"stages__quantize": {"candidates": "first"}},
    ],
    ids=["device away", "nothing measured", "no ladder", "other back end", "no further scheme"],
)
def test_nobody_looks_where_it_could_spare_nothing(
    tiny: Callable[..., Resolved], changes: dict[str, Any]
) -> None:
    road = laid(tiny(**{**ONLY_HOST, **changes}))
    assert not glances(road)
    assert not [step.title for step in road.plan.steps if "first look" in step.title]


def test_measuring_again_leaves_what_decided_over_candidates(
    tiny: Callable[..., Resolved],
) -> None:
    road = laid(tiny())
    assert glances(road)
    assert {step.name for step in road.measurements} == {"measure", "profile"}


def test_neither_rounds_nor_limits_nor_methods_look_again(tiny: Callable[..., Resolved]) -> None:
    (before,) = glances(laid(tiny()))
    for changes in (
        {"stages__benchmark__rounds": 11},
        {"targets__host__budget": {"max_accuracy_drop": 0.5}},
        {"stages__quantize": {"methods": ["calibration"]}},
    ):
        (after,) = glances(laid(tiny(**changes)))
        assert after.key == before.key
    (other,) = glances(laid(tiny(stages__quantize={"calibration": "percentile"})))
    assert other.key != before.key


def test_each_student_is_looked_at_for_itself(tiny: Callable[..., Resolved]) -> None:
    students = [
        {"name": name, "source": "builtin:residual-cnn", "args": {"width": width, "stages": 2}}
        for name, width in (("small", 4), ("wide", 16))
    ]
    road = laid(tiny(student=students))
    small, wide = glances(road)
    branches = road.targets["host"].branches
    for branch, glance in zip(branches, (small, wide), strict=True):
        assert glance.title.startswith(f"glance: {branch.student}: latency on host")
        assert glance.inputs[FLOAT] == branch.exports["pruned"].key
        assert branch.exports["int8-U8U8"].inputs["glance"] == glance.key


def test_a_teacher_behind_an_endpoint_has_no_part_in_it(tiny: Callable[..., Resolved]) -> None:
    endpoint = {"url": "http://127.0.0.1:1/v1", "model": "asked"}
    road = laid(tiny(teacher={"source": "endpoint", "endpoint": endpoint}))
    (glance,) = glances(road)
    candidate = road.targets["host"].branches[0].exports["int8-U8U8"]
    assert list(glance.inputs) == ["data", FLOAT, *FURTHER]
    assert list(candidate.inputs) == ["data", "teacher", "fp32", "glance", "model"]
    assert candidate.inputs["teacher"] == road.teacher.key
