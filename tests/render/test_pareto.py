from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from edgedistill.render.pareto import pareto_svg

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.report import Report

SVG = "{http://www.w3.org/2000/svg}"


def read(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # our own text


def texts(svg: str, kind: str | None = None) -> list[str]:
    found = read(svg).iter(f"{SVG}text")
    return [text.text or "" for text in found if kind is None or text.get("class") == kind]


def marks(svg: str) -> dict[str, tuple[float, float, str]]:
    """Label to place and class of each network's mark."""
    found = {}
    for group in read(svg).iter(f"{SVG}g"):
        title, path = group.find(f"{SVG}title"), group.find(f"{SVG}path")
        place = re.fullmatch(r"translate\(([\d.]+) ([\d.]+)\)", group.get("transform", ""))
        assert title is not None
        assert path is not None
        assert place is not None
        label = (title.text or "").partition(":")[0]
        found[label] = (float(place[1]), float(place[2]), path.get("class", ""))
    return found


def test_every_network_has_its_mark_where_its_figures_say(
    make_students: Callable[..., Report],
) -> None:
    found = marks(pareto_svg(make_students()))
    assert set(found) == {
        "teacher",
        *(f"{name} {step}" for name in ("small", "wide") for step in ("distilled", "int8")),
    }
    small, wide = found["small int8"], found["wide int8"]
    assert small[0] < wide[0]  # faster
    assert small[1] > wide[1]  # less accurate: y grows downwards
    assert found["small distilled"][2] == "off"  # as accurate as its int8, but slower
    assert [found[label][2] for label in ("small int8", "wide int8", "teacher")] == ["on"] * 3


def test_the_axes_say_what_they_count_and_in_which_unit(
    make_students: Callable[..., Report],
) -> None:
    measured = texts(pareto_svg(make_students()))
    assert "Median latency of one inference (ms)" in measured
    assert "Accuracy on the validation split (%)" in measured
    counted = texts(pareto_svg(make_students(measured=False)))
    assert "Multiply-accumulates" in counted
    assert any(text.endswith(" M") for text in counted)
    assert not any("(ms)" in text for text in counted)


def test_what_ships_is_ringed_and_labelled(make_students: Callable[..., Report]) -> None:
    svg = pareto_svg(make_students())
    assert texts(svg, "ships") == ["small int8, ships"]
    assert svg.count('class="ring"') == 1


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "a & b", "]]>", '"><image href="x"/>', "\x1b[31m\u202e", "é 中"],
)
def test_text_from_outside_stays_text(make_students: Callable[..., Report], hostile: str) -> None:
    svg = pareto_svg(make_students(target_title=hostile))
    kinds = {element.tag.removeprefix(SVG) for element in read(svg).iter()}
    assert kinds == {"svg", "title", "style", "rect", "text", "path", "g", "circle"}
    visible = "".join(c if c.isprintable() else "\ufffd" for c in hostile)
    assert f"Accuracy and median latency on {visible}" in texts(svg)


def test_a_hostile_name_of_a_student_stays_text(make_students: Callable[..., Report]) -> None:
    name = "<script>alert(1)</script>"
    svg = pareto_svg(make_students(names=(name, "wide")))
    assert "<script" not in svg
    assert f"{name} int8" in marks(svg)


def test_it_needs_nothing_else_and_follows_the_readers_scheme(
    make_students: Callable[..., Report],
) -> None:
    svg = pareto_svg(make_students())
    assert "prefers-color-scheme:dark" in svg
    assert svg.count("http") == 1  # the name space
    assert pareto_svg(make_students()) == svg


def test_costs_far_apart_stand_on_a_logarithmic_axis(make_students: Callable[..., Report]) -> None:
    def ticks(svg: str) -> list[float]:
        found = read(svg).iter(f"{SVG}text")
        return [
            float(t.text or "")
            for t in found
            if t.get("text-anchor") == "middle" and t.get("y") == "418.0"
        ]

    assert ticks(pareto_svg(make_students(slowest_ms=80.0)))[:4] == [0.5, 1, 2, 5]
    near = ticks(pareto_svg(make_students(slowest_ms=2.0)))
    assert near[1] - near[0] == pytest.approx(near[2] - near[1])


@pytest.mark.parametrize("measured", [True, False])
def test_a_teacher_behind_an_endpoint_is_left_out(
    make_students: Callable[..., Report],
    make_asked_report: Callable[..., Report],
    measured: bool,
) -> None:
    found = marks(pareto_svg(make_asked_report(make_students(measured=measured))))
    assert set(found) == {
        f"{name} {step}" for name in ("small", "wide") for step in ("distilled", "int8")
    }
    assert found["wide distilled"][2] == "on"
