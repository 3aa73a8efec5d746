"""A plain table: columns as wide as their widest cell, two blanks between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def table(lines: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """The cells in columns; the first line holds the heads.

    Args:
        lines: Each with the same number of cells.
        right: Places of the columns that hold numbers and end at one edge.

    >>> print(table([("name", "n"), ("a", "5"), ("long one", "10")], right=[1]))
    name       n
    a          5
    long one  10
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
