from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedistill.core.budget import Budget
from edgedistill.gate.judge import judge
from edgedistill.render import figures
from edgedistill.render.page.document import plot_library
from edgedistill.render.page.index import index_page

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


def _page(*reports: Any) -> str:
    results = [(report, judge(report)) for report in reports]
    links = {report.target: f"targets/{report.target}/report.html" for report in reports}
    return index_page(results, links=links).replace(plot_library(), "")


def test_each_device_has_a_row_with_its_verdict_its_figures_and_a_link(
    make_report: Make, parse: Make
) -> None:
    host = make_report()
    other = make_report(target="pi", target_title="A <b>Pi</b>", measured=False, budget=Budget())
    rows = [
        (" ".join(" ".join(row.itertext()).split()), [one.get("href") for one in row.iter("a")])
        for row in parse(_page(host, other)).iter("tr")
    ][1:]
    (first, first_links), (second, second_links) = rows
    assert first.startswith("This machine host: int8 (int8) ")
    assert judge(host).outcome.value in first
    for written in (figures.accuracy, figures.megabytes):
        quantity = (
            host.shipped().accuracy if written is figures.accuracy else host.shipped().size_mb
        )
        assert written(quantity).split(" (")[0] in first
    assert second.startswith("A <b>Pi</b> pi: int8 (int8) ? UNJUDGED")
    assert first_links == ["targets/host/report.html"]
    assert second_links == ["targets/pi/report.html"]


def test_the_run_is_as_good_as_its_worst_device(make_report: Make, parse: Make) -> None:
    good = make_report(budget=Budget(max_size_mb=1.0))
    bad = make_report(target="pi", budget=Budget(max_size_mb=0.01))
    header = parse(_page(good, bad)).find("body/header")
    words = " ".join(" ".join(header.itertext()).split())
    assert "✕ FAIL 2 devices: 1 FAIL, 1 PASS." in words


def test_the_table_of_devices_can_be_sorted_and_becomes_cards(
    make_report: Make, parse: Make
) -> None:
    (table,) = parse(_page(make_report(), make_report(target="pi"))).iter("table")
    assert table.get("class", "").split() == ["sortable", "stacked"]


def test_one_device_needs_no_plot_and_no_library(make_report: Make) -> None:
    assert 'data-plot="' not in _page(make_report())
    assert len(_page(make_report())) < 60_000


def test_the_same_facts_give_the_same_bytes(make_report: Make) -> None:
    reports = (make_report(), make_report(target="pi"))
    assert _page(*reports) == _page(*reports)
