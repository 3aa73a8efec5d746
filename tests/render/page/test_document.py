from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.render.page.document import embedded, plot_library, policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.report import Report


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), st.text() | st.integers(), max_size=3))
def test_embedded_json_means_the_same_and_cannot_end_its_element(content: object) -> None:
    plain = embedded(content)
    assert json.loads(plain) == content
    assert not set(plain) & set("<>&\u2028\u2029")
    assert plain.isascii()


def test_the_policy_allows_the_scripts_of_the_page_by_their_hashes_and_no_request(
    make_report: Callable[..., Report], page_of: Callable[[Report], str]
) -> None:
    page = page_of(make_report())
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    allowed = policy(scripts)
    assert len(scripts) == 2
    assert all(f"'sha256-{one}'" in allowed for one in hashes)
    assert allowed.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in allowed
    assert allowed.replace("'", "&#39;") in page


def test_the_library_of_plots_cannot_end_its_element() -> None:
    library = plot_library()
    assert "</script" not in library.lower()
    assert "<!--" not in library
