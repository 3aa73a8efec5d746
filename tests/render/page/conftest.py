from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich_reports import rich
from tinyhtml5.parser import HTMLParser

from edgedistill.gate.judge import judge
from edgedistill.render.document import report_text
from edgedistill.render.page.document import plot_library
from edgedistill.render.page.page import report_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    from edgedistill.core.report import Report


def parsed(page: str) -> Element:
    """The page as a tree; any fault that a browser would mend in silence fails."""
    parser = HTMLParser(namespace_html_elements=False)
    root = parser.parse(page)
    assert parser.errors == []
    return root


@pytest.fixture(scope="session")
def page_of() -> Callable[[Report], str]:
    """Makes the page of a report, once for the same facts."""
    made: dict[str, str] = {}

    def page(report: Report) -> str:
        facts = report_text(report)
        if facts not in made:
            made[facts] = report_page(report, judge(report))
        return made[facts]

    return page


@pytest.fixture(scope="session")
def tree_of(page_of: Callable[[Report], str]) -> Callable[[Report], Element]:
    """The tree of a report's page; the library of plots, which is no part of it, is left out."""
    return lambda report: parsed(page_of(report).replace(plot_library(), ""))


@pytest.fixture(scope="session")
def words_of(tree_of: Callable[[Report], Element]) -> Callable[[Report], str]:
    """What a reader of the page reads, scripts and styles left out, blanks as one."""

    def words(report: Report) -> str:
        root = tree_of(report)
        for parent in root.iter():
            for child in [one for one in parent if one.tag in ("script", "style")]:
                parent.remove(child)
        return " ".join(" ".join(root.itertext()).split())

    return words


@pytest.fixture(scope="session")
def make_rich(make_candidates: Callable[..., Report]) -> Callable[..., Report]:
    """A report in which every section of the page has something to tell."""
    return lambda **changes: rich(make_candidates(), **changes)


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Element]:
    return parsed
