"""The pages in a real browser: drawn, hovered, sorted, read by axe-core, and asking nobody."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from compared_models import comparison

from edgedistill.gate.judge import judge
from edgedistill.render.page.comparison import comparison_html
from edgedistill.render.page.index import index_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    Make = Callable[..., Any]
    Open = Callable[..., Page]

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
PAGES = ("report.html", "index.html", "compare.html")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra dev")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("needs a Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, make_rich: Make, make_report: Make, page_of: Make
) -> Path:
    """A page in which every section tells something, an index of two, a comparison; all hostile."""
    folder = tmp_path_factory.mktemp("pages")
    rich = make_rich(names=(*"012345678", HOSTILE))
    rich = rich.model_copy(update={"run": HOSTILE, "target_title": HOSTILE})
    (folder / "report.html").write_text(page_of(rich), encoding="utf-8")
    other = make_report(target="other")
    results = [(report, judge(report)) for report in (rich, other)]
    index = index_page(results, links={"host": "report.html", "other": "other.html"})
    (folder / "index.html").write_text(index, encoding="utf-8")
    compared = comparison_html(comparison(name=HOSTILE, notes=(HOSTILE,), target_title=HOSTILE))
    (folder / "compare.html").write_text(compared, encoding="utf-8")
    return folder


@pytest.fixture
def open_page(browser: Browser, folder: Path) -> Iterator[Open]:
    """Opens a page with nothing but the disk; what it says to the console fails the test."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def opened(name: str, *, width: int = 1280, **options: Any) -> Page:
        view = {"width": width, "height": 900}
        context = browser.new_context(viewport=view, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / name).as_uri())
        if options.get("java_script_enabled", True):
            places = page.locator(".plot").count()
            page.wait_for_function(f"document.querySelectorAll('.plot svg').length === {places}")
        return page

    yield opened
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [375, 1280])
def test_every_plot_is_drawn_and_nothing_scrolls_sideways(
    open_page: Open, name: str, width: int
) -> None:
    page = open_page(name, width=width)
    assert page.locator(".plot").count() > 0
    marks = page.locator(".plot svg").evaluate_all(
        "all => all.map(one => one.querySelectorAll(':is(.mark-symbol, .mark-rect) path').length)"
    )
    assert all(count > 0 for count in marks)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.locator(".plot svg").evaluate_all(
        "plots => plots.filter(plot => plot.getBoundingClientRect().right > innerWidth).length"
    )
    assert wide == 0


def test_hovering_tells_the_figures_and_hostile_names_stay_text(open_page: Open) -> None:
    page = open_page("report.html")
    plot = page.locator("[data-plot=damage-classes]")
    plot.scroll_into_view_if_needed()
    plot.locator(".mark-symbol path").first.hover()
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "Before" in tooltip.inner_text()
    assert "88.00 % (87.00 to 89.00)" in tooltip.inner_text()
    assert HOSTILE in tooltip.inner_text()
    assert page.locator("script").count() == 3
    assert page.locator("#vg-tooltip-element img, .plot img").count() == 0


def test_a_table_is_sorted_by_the_column_that_is_clicked_and_says_so(open_page: Open) -> None:
    page = open_page("report.html")
    table = page.locator("section#damage table.sortable").first
    samples = table.locator("tbody tr td:nth-child(4)")

    def lost() -> list[float]:
        return [
            float(each) for each in samples.evaluate_all("all => all.map(td => td.dataset.sort)")
        ]

    head = table.locator("thead th").nth(3)
    assert lost() == sorted(lost(), reverse=True)  # the worst drop first, as it was written
    head.get_by_role("button").click()
    assert lost() == sorted(lost())
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert lost() == sorted(lost(), reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    table.locator("thead th").nth(0).get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") is None
    assert table.locator("tbody th").nth(1).inner_text() == "0"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: Open, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra dev")
    page = open_page(name, color_scheme=scheme)
    found = axe.Axe().run(page).response["violations"]
    told = [
        f"{one['impact']}: {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert told == []


def test_plots_and_page_follow_the_readers_scheme(open_page: Open) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        page = open_page("report.html", color_scheme=scheme)
        bar = page.locator("[data-plot=waterfall-size] .mark-rect path").nth(2)
        fill = bar.evaluate("one => getComputedStyle(one).fill")
        seen[scheme] = (fill, page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert seen["light"] == ("rgb(10, 95, 184)", "rgb(255, 255, 255)")
    assert seen["dark"] == ("rgb(95, 169, 245)", "rgb(16, 21, 27)")


def test_print_is_dark_on_white_and_shows_what_is_folded_away(open_page: Open) -> None:
    page = open_page("report.html", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.locator("details:not([open])").count() == 0


def test_without_scripts_the_page_still_tells_all(open_page: Open) -> None:
    page = open_page("report.html", java_script_enabled=False)
    for place in page.locator(".plot").all():
        assert place.inner_text() == place.get_attribute("aria-label")
    assert page.locator("th button").count() == 0
    assert page.locator("table").count() > 8


def test_pictures_and_sounds_are_loaded_from_the_page_itself(open_page: Open) -> None:
    page = open_page("report.html")
    assert page.locator(".gallery img").evaluate_all("all => all.map(one => one.naturalWidth)") == [
        28
    ]
    page.wait_for_function("document.querySelector('.gallery audio').duration > 0")
    assert page.evaluate("document.querySelector('.gallery audio').duration") == pytest.approx(0.5)


def test_the_policy_stops_a_script_that_finds_its_way_in(browser: Browser, folder: Path) -> None:
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((folder / "report.html").as_uri())
    page.evaluate(
        """() => {
          const own = document.createElement("script");
          own.textContent = "window.owned = 1";
          document.body.append(own);
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.owned = 1'>");
        }"""
    )
    assert page.evaluate("window.owned") is None
    assert any("Content Security Policy" in each for each in said)
    assert page.evaluate("fetch('report.html').then(() => 'came', () => 'stopped')") == "stopped"
    page.close()
