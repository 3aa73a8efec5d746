from __future__ import annotations

from typing import Any

import pytest

from edgedistill.app.sweep import swept
from edgedistill.errors import InputError

NET = {"source": "builtin:residual-cnn", "args": {"width": 16, "stages": 2}}


def _students(*sweeps: str, student: Any = NET) -> dict[str, dict[str, Any]]:
    """The students by name, each without it."""
    document = swept({"name": "r", "student": student}, sweeps)
    assert document["name"] == "r"
    listed = [dict(one) for one in document["student"]]
    return {one.pop("name"): one for one in listed}


def test_widths_up_to_one_are_relative_to_the_students_own() -> None:
    students = _students("student.width=0.25,0.5,1")
    assert {name: one["args"] for name, one in students.items()} == {
        "width-0.25": {"width": 4, "stages": 2},
        "width-0.5": {"width": 8, "stages": 2},
        "width-1": {"width": 16, "stages": 2},
    }
    assert all(one["source"] == "builtin:residual-cnn" for one in students.values())


@pytest.mark.parametrize(
    ("student", "text", "width"),
    [
        (NET, "24", 24),
        (NET, "1.5", 24),
        (NET, "2.0", 32),
        (NET, "0.01", 1),
        (NET, "0.28125", 5),  # 4.5, rounded up
        ({"source": "builtin:residual-cnn"}, "0.5", 16),  # of the default, 32
        ({"source": "builtin:mlp"}, "0.5", 64),  # of the default, 128
        ({"source": "python:nets.py:net", "args": {"width": 1.0}}, "0.25", 0.25),
        ({"source": "python:nets.py:net"}, "8", 8),
    ],
)
def test_a_width_means_what_it_says(student: Any, text: str, width: float) -> None:
    (only,) = _students(f"student.width={text}", student=student).values()
    assert only["args"]["width"] == width
    assert type(only["args"]["width"]) is type(width)


def test_an_argument_by_its_full_key_is_taken_as_it_is() -> None:
    students = _students("student.args.width=0.5,8")
    assert [one["args"]["width"] for one in students.values()] == [0.5, 8]


def test_several_sweeps_make_every_combination() -> None:
    students = _students("student.width=8,16", "student.depth=1,2")
    assert {
        name: (one["args"]["width"], one["args"]["depth"]) for name, one in students.items()
    } == {
        "width-8-depth-1": (8, 1),
        "width-8-depth-2": (8, 2),
        "width-16-depth-1": (16, 1),
        "width-16-depth-2": (16, 2),
    }


def test_sources_and_weights_can_be_varied_and_name_their_students() -> None:
    students = _students(
        "student.source=builtin:mlp, python:nets.py:teacher", student={"source": "x:y"}
    )
    assert {name: one["source"] for name, one in students.items()} == {
        "mlp": "builtin:mlp",
        "teacher-2": "python:nets.py:teacher",
    }
    assert list(_students("student.weights=runs/a.safetensors,runs/b.safetensors")) == [
        "a.safetensors",
        "b.safetensors",
    ]


def test_names_that_would_be_the_same_are_told_apart() -> None:
    student = {"source": "python:nets.py:net"}
    students = _students("student.mode=a b,a-b", student=student)
    assert list(students) == ["mode-a-b", "mode-a-b-2"]


def test_without_a_sweep_the_recipe_stays_as_it_is() -> None:
    for student in (NET, [NET], None):
        assert swept({"student": student}, ()) == {"student": student}


@pytest.mark.parametrize("student", ["builtin:mlp", 3, {"source": "builtin:mlp", "args": [1]}])
def test_what_is_no_student_is_left_to_the_schema(student: Any) -> None:
    assert swept({"student": student}, ["student.width=8"]) == {"student": student}


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        (["student.width"], "is not of the form student.key=value,value"),
        (["student.width="], "is not of the form"),
        (["student.width=8,,16"], "is not of the form"),
        (["student..width=8"], "is not of the form"),
        (["=8"], "is not of the form"),
        (["seed=1,2"], r"is not a key of the student .*given: seed.*student\.args\.NAME"),
        (["stages.prune.macs_ratio=0.4,0.6"], "is not a key of the student"),
        (["student=a,b"], "is not a key of the student"),
        (["student.name=a,b"], "is not a key of the student"),
        (["student.args=1"], "is not a key of the student"),
        (["student.args.width.more=1"], "is not a key of the student"),
        (["student.width=[8"], r"--sweep student\.width"),
        (["student.width={a: 1}"], "is not a plain value"),
        (["student.width=null"], "is not a plain value"),
        (["student.width=0"], r"student\.width: is not a width .*above 0"),
        (["student.width=-0.5"], "is not a width"),
        (["student.width=.nan"], "is not a width"),
        (["student.width=.inf"], "is not a width"),
        (["student.width=8", "student.args.width=16"], r"is varied twice \(given: student\.args"),
        (["student.width=8,8"], r"come to the same student \(given: 8 and 8\)"),
        (["student.width=0.5,8"], r"come to the same student \(given: 0\.5 and 8\)"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(sweeps: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        swept({"student": NET}, sweeps)
    assert "--sweep" in str(caught.value)


@pytest.mark.parametrize("args", [{}, {"width": True}, {"width": "wide"}])
def test_a_relative_width_needs_a_width_of_the_students_own(args: dict[str, Any]) -> None:
    student = {"source": "python:nets.py:net", "args": args}
    with pytest.raises(InputError, match="which the recipe does not give"):
        swept({"student": student}, ["student.width=0.5"])


@pytest.mark.parametrize(
    ("student", "message"),
    [(None, "the recipe has none"), ([NET, NET], "this one lists several already")],
)
def test_a_sweep_needs_one_student(student: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        swept({"student": student}, ["student.width=8,16"])


def test_a_network_that_is_not_built_in_is_told() -> None:
    with pytest.raises(InputError, match=r"student\.source: is not a built-in network"):
        swept({"student": {"source": "builtin:residul-cnn"}}, ["student.width=0.5"])
