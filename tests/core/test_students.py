"""Several students in a recipe, and their results in a report."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edgedistill.core.budget import Budget
from edgedistill.core.evidence import counted
from edgedistill.core.recipe import Recipe
from edgedistill.core.report import Choice, Provenance, Report, Row, Step, StudentResult
from edgedistill.core.strict import plain
from edgedistill.errors import InputError

NET = {"source": "builtin:mlp", "args": {"width": 8}}


def _recipe(student: Any) -> Recipe:
    document = {
        "schema_version": 1,
        "name": "r",
        "data": {"source": "sklearn:digits"},
        "teacher": {"source": "builtin:mlp", "train": {"epochs": 3}},
        "student": student,
        "targets": {"a": {}},
    }
    return Recipe.read(document, file="r")


def test_a_recipe_has_none_one_or_several_students() -> None:
    assert _recipe(None).students == ()
    assert [one.name for one in _recipe(NET).students] == ["mlp-width-8"]
    several = _recipe([NET, {**NET, "name": "small"}, NET])
    assert [one.name for one in several.students] == ["mlp-width-8", "small", "mlp-width-8-2"]


def test_made_names_are_written_into_the_recipe_and_stay() -> None:
    first = _recipe([NET, NET])
    again = Recipe.read(plain(first), file="lock")
    assert [one.name for one in again.students] == ["mlp-width-8", "mlp-width-8-2"]
    assert again == first


def test_a_made_name_gives_way_to_a_given_one() -> None:
    given = {"source": "builtin:mlp", "name": "mlp-width-8"}
    assert [one.name for one in _recipe([NET, given]).students] == ["mlp-width-8-2", "mlp-width-8"]
    teacher = {"source": "python:nets.py:teacher"}
    assert [one.name for one in _recipe([teacher]).students] == ["teacher-2"]


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ([], r"student: is an empty list .*Give a student, or leave student out"),
        ([{**NET, "name": "a"}, {**NET, "name": "a"}], r"student: names 'a' twice"),
        ([{**NET, "name": "teacher"}], r"student: 'teacher' is the teacher's own name"),
        ([{**NET, "name": "../up"}], r"student\.0\.name: "),
        ([{**NET, "name": "a" * 81}], r"student\.0\.name: "),
        ([NET, {"sorce": "x"}], r"student\.1\.sorce: is not a known key .*'source'"),
        ([NET, 3], r"student\.1: is not a mapping"),
        ({**NET, "name": "a"}, r"student\.name: is not a known key"),
        ("builtin:mlp", r"student: is not a mapping"),
    ],
)
def test_a_student_that_is_wrong_is_named_with_its_place(student: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _recipe(student)
    assert "several" not in str(caught.value)


def _row(step: Step, *, macs: float = 1.0) -> Row:
    return Row(
        step=step,
        precision="int8" if step == "int8" else "fp32",
        model_sha256="0" * 64,
        accuracy=counted(0.9, "test"),
        test_accuracy=None,
        accuracy_drop=None,
        agreement=None,
        worst_class=None,
        worst_group=None,
        latency=None,
        size_mb=counted(1.0, "test"),
        macs=counted(macs, "test"),
        parameters=counted(1.0, "test"),
    )


def _result(name: str, *, macs: float) -> StudentResult:
    choice = Choice(step="int8", model=f"waterfall/{name}/int8.onnx", decided=True, reason="test")
    rows = (_row("distilled", macs=macs), _row("int8", macs=macs))
    return StudentResult(name=name, rows=rows, choice=choice, on_front=True)


def _report(**changes: Any) -> Report:
    small, wide = _result("small", macs=1.0), _result("wide", macs=2.0)
    fields: dict[str, Any] = {
        "schema_version": 1,
        "run": "demo",
        "target": "host",
        "target_title": "This machine",
        "runtime": "cpu",
        "budget": Budget(),
        "rows": (_row("teacher"), *small.rows),
        "choice": Choice(
            step="int8", model="model.onnx", decided=True, reason="test", student="small"
        ),
        "students": (small, wide),
        "conditions": None,
        "class_names": ("no", "yes"),
        "preprocessing": {},
        "provenance": Provenance(
            recipe_sha256="1" * 64,
            data_sha256="2" * 64,
            data_source="sklearn:digits",
            seed=0,
            versions={},
            steps={},
        ),
    }
    return Report(**(fields | changes))


def test_a_report_holds_the_student_that_ships_and_all_the_others() -> None:
    report = _report()
    assert report.shipped() == report.students[0].shipped()
    assert Report.read(plain(report), file="report.json") == report


def test_a_report_from_before_there_were_several_students_still_reads() -> None:
    document = plain(
        _report(students=(), choice=Choice(step="int8", model="m", decided=True, reason="r"))
    )
    del document["students"], document["choice"]["student"]
    assert Report.read(document, file="report.json").students == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"students": ()}, "choice.student 'small' is not the student"),
        ({"students": (_result("wide", macs=2.0),)}, "choice.student 'small' is not the student"),
        ({"rows": (_row("teacher"), *_result("wide", macs=2.0).rows)}, "choice.student 'small'"),
        ({"students": (_result("small", macs=1.0),) * 2}, "students hold a name twice"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _report(**changes)


def test_a_student_ships_one_of_its_own_rows() -> None:
    choice = Choice(step="pruned", model="m", decided=True, reason="test")
    with pytest.raises(ValidationError, match=r"choice\.step 'pruned' has no row"):
        StudentResult(name="a", rows=(_row("distilled"),), choice=choice, on_front=True)


def test_only_the_teachers_row_may_have_answers_without_a_file() -> None:
    no_file = dict.fromkeys(("precision", "model_sha256", "size_mb", "macs", "parameters"))
    asked = Row(**{**dict(_row("teacher")), **no_file})
    assert not asked.has_file
    report = _report(rows=(asked, *_report().rows[1:]))
    assert Report.read(report.model_dump(mode="json"), file="report.json") == report
    for step, changes in (("int8", no_file), ("teacher", {"macs": None})):
        with pytest.raises(ValidationError, match="lacks what its ONNX file is"):
            Row(**{**dict(_row(step)), **changes})
    ships = Choice(step="teacher", model="model.onnx", decided=True, reason="test")
    with pytest.raises(ValidationError, match=r"choice\.step 'teacher' has no file"):
        _report(rows=(asked,), students=(), choice=ships)
