from __future__ import annotations

import pytest
from compared_models import comparison
from markdown_it import MarkdownIt

from edgedistill.core.comparison import Comparison
from edgedistill.errors import InputError
from edgedistill.render.comparison import comparison_markdown, comparison_page

HOSTILE = "<script>alert(1)</script>\x1b[2J|**x**"
READER = MarkdownIt("commonmark", {"html": True}).enable(["table"])


def test_both_views_show_the_figures_and_what_is_not_known() -> None:
    page, text = comparison_page(comparison()), comparison_markdown(comparison())
    for view in (page, text):
        assert "90.00 % (89.00 to 91.00)" in view
        assert "+10.00 points (+9.00 to +11.00)" in view
        assert "Worst class" in view
        assert "There is something to know" in view
    assert "| A | 90.00 % (89.00 to 91.00) | - | - | 1.5 MB | - |" in text
    assert "| B | 9 |" in text


def test_without_labels_nothing_is_said_of_right_and_wrong() -> None:
    text = comparison_markdown(comparison(labelled=False))
    assert "Accuracy lost" not in text
    assert "Right in A" not in text
    assert "| Other answers | 5.00 %" in text


def test_names_stay_text() -> None:
    found = comparison(name=HOSTILE, notes=(HOSTILE,))
    assert all(line.isprintable() for line in comparison_page(found).splitlines())
    html = READER.render(comparison_markdown(found))
    assert "<script>" not in html
    assert "<strong>" not in html
    assert "\x1b" not in html


@pytest.mark.parametrize("key", ["accuracy_drop", "damage"])
def test_a_document_that_contradicts_itself_is_refused(key: str) -> None:
    document = comparison().model_dump(mode="json") | {key: None}
    with pytest.raises(InputError, match="accuracy and damage are there with labels"):
        Comparison.read(document, file="compare.json")
