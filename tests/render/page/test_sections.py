from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from rich_reports import damage, search

from edgedistill.core.damage import Signal
from edgedistill.render import figures
from edgedistill.render.page.plots.parts import MOST_PARTS
from edgedistill.render.page.sections.damage import damage_section
from edgedistill.render.page.sparkline import sparklines

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    Make = Callable[..., Any]

SVG = "{http://www.w3.org/2000/svg}"


def _section(root: Element, name: str) -> Element | None:
    return next((one for one in root.iter("section") if one.get("id") == name), None)


def _words(element: Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def _specs(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="plots">(.*?)</script>', page, re.DOTALL)
    assert found
    specs: dict[str, Any] = json.loads(found[1])
    return specs


def _hovered(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """What is drawn by the layer that tells its figures."""
    layer = next(layer for layer in spec["layer"] if "tooltip" in layer["encoding"])
    data = layer.get("data") or spec["data"]
    values: list[dict[str, Any]] = data.get("values") or spec["datasets"][data["name"]]
    return values


def test_a_long_run_fills_every_section_in_the_order_of_interest(
    make_rich: Make, tree_of: Make
) -> None:
    names = [one.get("id") for one in tree_of(make_rich()).iter("section")]
    first = ["verdict", "front", "waterfall", "times", "damage"]
    assert names == [*first, "int8", "pruning", "learning", "conditions", "provenance"]


def test_a_section_without_facts_is_absent(make_report: Make, tree_of: Make) -> None:
    names = {one.get("id") for one in tree_of(make_report()).iter("section")}
    assert names == {"verdict", "front", "waterfall", "int8", "conditions", "provenance"}


def test_every_class_and_group_stands_there_the_worst_drop_first(
    make_rich: Make, tree_of: Make
) -> None:
    report = make_rich()
    section = _section(tree_of(report), "damage")
    tables = list(section.iter("table"))
    names = [[_words(head) for head in table.iter("th")][5:] for table in tables[1:]]
    assert names == [list("9876543210"), ["pen", "pencil"]]
    words = _words(section)
    for part in (*report.damage.classes, *report.damage.groups):
        for written in (figures.accuracy(part.after), figures.points(part.drop)):
            assert written.split(" (")[0] in words
    assert "The worst class: 9: +3.60 points (+2.70 to +4.50) lost" in words


def test_flips_and_calibration_error_stand_there_with_their_intervals(
    make_rich: Make, tree_of: Make
) -> None:
    words = _words(_section(tree_of(make_rich()), "damage"))
    for line in (
        "Answers changed, right or wrong 3.10 % 2.70 to 3.50 measured-on-device",
        "Right before, wrong after 1.80 % 1.50 to 2.10",
        "Wrong before, right after 1.30 % 1.00 to 1.60",
        "Expected calibration error, teacher 2.10 % 1.70 to 2.50",
        "Expected calibration error, int8 3.40 % 2.90 to 3.90",
    ):
        assert line in words


def test_the_confidence_of_the_intervals_is_told(make_rich: Make, tree_of: Make) -> None:
    root = tree_of(make_rich())
    for name in ("waterfall", "times", "damage"):
        assert "Intervals hold with 95 %." in _words(_section(root, name))


def test_each_student_stands_there_as_if_it_were_alone(make_students: Make, tree_of: Make) -> None:
    words = _words(_section(tree_of(make_students()), "front"))
    assert "Students of the same teacher, each as if alone" in words
    assert "small ships int8 80.00 % 79.00 to 81.00 1 ms 0.9 to 1.1" in words
    assert "wide int8 88.00 % 87.00 to 89.00 1.5 ms" in words


def test_examples_are_shown_as_picture_text_sound_and_line(make_rich: Make, tree_of: Make) -> None:
    report = make_rich()
    gallery = next(one for one in tree_of(report).iter("ul") if one.get("class") == "gallery")
    picture, text, sound, signal, unseen = gallery
    shown = [example.content for example in report.damage.examples]
    assert picture.find("img").get("src") == f"data:image/png;base64,{shown[0].png_base64}"
    assert _words(text).startswith("Where can I change my train ticket today …")
    assert sound.find("audio").get("src") == f"data:audio/wav;base64,{shown[2].wav_base64}"
    assert len(list(signal.iter(f"{SVG}polyline"))) == 2
    assert _words(unseen).startswith("cannot be shown")
    assert "4 81 % sure before int8 says 9 97 % sure sample 0" in _words(picture)
    assert "sample 17, group pen" in _words(text)


def test_of_many_classes_the_worst_are_drawn_and_all_are_told(make_report: Make) -> None:
    names = tuple(f"class {place}" for place in range(90))
    report = make_report().model_copy(update={"damage": damage(names, groups=())})
    blocks = damage_section(report).blocks
    (plots,) = [block for block in blocks if block.kind == "plots"]
    (plot,) = plots.plots
    worst = [f"class {place}" for place in range(89, 89 - MOST_PARTS, -1)]
    assert plot.spec["layer"][0]["encoding"]["y"]["sort"] == worst
    assert "the 40 that lost most" in plot.title
    tables = [block for block in blocks if block.kind == "table"]
    assert len(tables[1].rows) == 90


def test_operator_times_tell_share_and_how_many_are_in_int8(make_rich: Make, tree_of: Make) -> None:
    words = _words(_section(tree_of(make_rich()), "times"))
    assert "convolution int8-U8S8 1.1 ms 0.9778 to 1.222 64.7 % 8 7" in words
    assert "/stage1/conv teacher Conv 1.2 ms" in words


def test_what_stayed_in_float_and_why_stands_there(make_rich: Make, tree_of: Make) -> None:
    words = _words(_section(tree_of(make_rich()), "int8"))
    why = "Stayed in float in int8-U8S8 Operator Why conv_head it loses most accuracy"
    assert why in words
    assert "Stayed in float in int8-U8U8: conv_head" in words
    assert "Conv conv_head float 2 % it loses most" in words
    assert "int8-U8S8 9 1 93 % U8S8 in-runtime" in words
    assert "int8-S8S8 - - - - - not made, see below" in words
    assert "Not made: int8-S8S8 4 of 7 stay in float" in words
    assert "calibration: percentile 99.9 92.00 % +2.00 points 0.1000 kept yes" in words


def test_the_pruning_plot_holds_every_network_that_was_priced(
    make_rich: Make, page_of: Make
) -> None:
    points = _hovered(_specs(page_of(make_rich()))["pruning-1"])
    assert [point["cost"] for point in points] == [one.cost.value for one in search().candidates]
    assert [point["taken"] for point in points] == [place == 6 for place in range(16)]


def test_the_front_plot_holds_every_network_once_with_its_figures(
    make_rich: Make, page_of: Make
) -> None:
    points = _hovered(_specs(page_of(make_rich()))["front"])
    names = ["teacher", "distilled", "pruned", "int8 (int8-U8S8)", "int8-U8U8"]
    assert [point["name"] for point in points] == names
    assert [point["on_front"] for point in points] == ["yes"] * 4 + ["no"]
    assert [point["ships"] for point in points] == [False, False, True, False, False]


def test_each_plot_is_told_in_words_and_none_asks_for_anything(
    make_rich: Make, tree_of: Make, page_of: Make
) -> None:
    report = make_rich()
    places = [one for one in tree_of(report).iter("div") if one.get("data-plot")]
    specs = _specs(page_of(report))
    assert {one.get("data-plot") for one in places} == set(specs)
    assert all(len(one.get("aria-label", "")) > 40 for one in places)
    assert all(one.get("role") == "img" for one in places)
    assert '"url"' not in json.dumps(specs)


def test_a_flat_signal_runs_through_the_middle_and_channels_share_a_scale() -> None:
    assert sparklines(Signal(channels=((3.0, 3.0),), thinned=False)) == ("0,20 100,20",)
    high, low = sparklines(Signal(channels=((0.0, 4.0), (0.0, 2.0)), thinned=False))
    assert (high, low) == ("0,38 100,2", "0,38 100,20")
    assert sparklines(Signal(channels=((1.0,),), thinned=False)) == ("0,20",)
    assert sparklines(None) == ()
