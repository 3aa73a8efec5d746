from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from compared_models import comparison
from tinyhtml5.parser import HTMLParser

from edgedistill.render import figures
from edgedistill.render.page.comparison import comparison_html
from edgedistill.render.page.document import plot_library

if TYPE_CHECKING:
    from edgedistill.core.comparison import Comparison

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


def words(found: Comparison) -> str:
    """What a reader reads; any fault that a browser would mend in silence fails."""
    parser = HTMLParser(namespace_html_elements=False)
    root = parser.parse(comparison_html(found).replace(plot_library(), ""))
    assert parser.errors == []
    names = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(names) == len(set(names))
    assert not [one for one in root.iter("img") if one.get("onerror")]
    for parent in root.iter():
        for child in [one for one in parent if one.tag in ("script", "style")]:
            parent.remove(child)
    return " ".join(" ".join(root.itertext()).split())


def test_it_shows_both_models_their_answers_and_the_damage() -> None:
    found = comparison()
    text = words(found)
    for one in found.models:
        assert one.sha256 in text
        for part in figures.accuracy(one.accuracy).rstrip(")").split(" ("):
            assert part in text
    assert "How near their answers are" in text
    assert "The worst class: B: +10.00 points" in text
    assert "There is something to know" in text
    assert comparison_html(found) == comparison_html(comparison())


def test_without_labels_there_is_no_damage() -> None:
    text = words(comparison(labelled=False))
    assert "worst class" not in text
    assert "without labels" in text


@pytest.mark.parametrize("kind", ["top-1", "signal", "values"])
def test_each_kind_of_agreement_is_explained(kind: str) -> None:
    assert "Agreement is the share of" in words(comparison(agreement_kind=kind))


def test_hostile_names_stay_text() -> None:
    found = comparison(name=HOSTILE, notes=(HOSTILE,), target_title=HOSTILE)
    assert words(found).count("<script>alert(1)</script>") > 5
    assert "<script>alert(1)" not in comparison_html(found)
