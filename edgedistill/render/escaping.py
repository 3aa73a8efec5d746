"""Text and tables in Markdown that stay what they are, whatever they look like."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_\[\]|~$@]|(?<=:)//|(?<=www)\.|^[#+=-])")
_LIST_NUMBER = re.compile(r"^(\d+)([.)])(?=\s|$)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def escape(text: str) -> str:
    r"""Text as Markdown that shows just this text, on one line.

    Marks, HTML, links and what would begin a heading or a list lose their meaning; control and
    direction characters are shown as the replacement character.

    >>> print(escape("a|b <script>"))
    a\|b &lt;script&gt;
    """
    marked = re.sub("[&<>]", lambda found: _ENTITIES[found[0]], visible(text))
    return _LIST_NUMBER.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", marked))


def visible(text: str) -> str:
    r"""Text on one line, with hidden characters shown as the replacement character.

    >>> visible("a\x1b[2J\n b")
    'a\ufffd[2J b'
    """
    shown = "".join(
        " " if character in "\n\r\t" else "\ufffd" if _hidden(character) else character
        for character in text
    )
    return " ".join(shown.split())


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def told(text: str) -> str:
    """As `escape`, with a word where there is no text."""
    return escape(text) or "(empty)"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
