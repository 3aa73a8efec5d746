"""What a page is made of: plain data that the templates in `files` turn into HTML.

No text here is HTML: the templates escape every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.damage import Example
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.verdict import Outcome


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    note: str = ""
    """Below the text and fainter, for instance the interval."""
    evidence: str = ""
    """How the figure was got, as its label."""
    sort: float | None = None
    """What the table is sorted by; the text where absent."""
    outcome: Outcome | None = None
    """Shown as a badge in place of the text."""
    link: str = ""
    """Where the text leads, as seen from the page."""
    code: bool = False
    """Whether the text is a name that stands in a file, such as a hash."""


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    title: str
    figures: bool = False
    """Whether it holds numbers, which end at one edge."""
    wide: bool = False
    """Whether it holds sentences."""
    evidence: str = ""
    """How all its figures were got, where that is one and the same."""


@dataclass(frozen=True)
class TableRow:
    """The cells of one row, the first of which names it."""

    cells: tuple[Cell, ...]
    ships: bool = False
    """Whether it is about the model that ships."""


@dataclass(frozen=True)
class Table:
    """A table with a caption."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    sortable: bool = False
    stacked: bool = False
    """Whether a row becomes a card where the page is narrow: for rows that are to be read whole."""

    def lifted(self) -> Table:
        """The same with the evidence of a column in its head, where all its figures share it."""
        heads = list(self.columns)
        found = [{row.cells[place].evidence for row in self.rows} for place in range(len(heads))]
        shared = {place for place, labels in enumerate(found) if len(labels - {""}) == 1}
        for place in shared:
            heads[place] = replace(heads[place], evidence=(found[place] - {""}).pop())
        rows = tuple(
            replace(
                row,
                cells=tuple(
                    replace(cell, evidence="") if place in shared else cell
                    for place, cell in enumerate(row.cells)
                ),
            )
            for row in self.rows
        )
        return replace(self, columns=tuple(heads), rows=rows)


@dataclass(frozen=True)
class Plot:
    """One plot, as Vega-Lite."""

    name: str
    """Unique on the page."""
    title: str
    told: str
    """What it shows, for a reader who does not see it."""
    spec: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Plots:
    """Plots side by side where there is room."""

    kind: ClassVar[str] = "plots"
    plots: tuple[Plot, ...]


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    kind: ClassVar[str] = "paragraph"
    text: str
    lead: bool = False
    """Whether it says the main thing of its section."""
    strong: str = ""
    """Stands before the text, in bold."""


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    kind: ClassVar[str] = "facts"
    facts: tuple[tuple[str, str], ...]
    title: str = ""
    """Folds the facts away below it; absent where they stand open."""


@dataclass(frozen=True)
class Tile:
    """A figure that a reader looks for first."""

    title: str
    text: str
    note: str
    evidence: str


@dataclass(frozen=True)
class Tiles:
    """Tiles side by side."""

    kind: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Shown:
    """A sample that only the compressed network gets wrong, as it is shown."""

    example: Example
    lines: tuple[str, ...] = ()
    """Of a signal: the points of each channel's line, in a box of 100 by 40."""


@dataclass(frozen=True)
class Gallery:
    """Samples side by side."""

    kind: ClassVar[str] = "gallery"
    after: str
    """What the network that gets them wrong is called."""
    shown: tuple[Shown, ...]


Block = Table | Plots | Paragraph | Bullets | Facts | Tiles | Gallery


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading."""

    name: str
    """Unique on the page; a link can point to it."""
    title: str
    short: str
    """The title in the page's list of contents."""
    blocks: tuple[Block, ...]


def text(content: str) -> Cell:
    """A cell of words."""
    return Cell(content)


def figure(quantity: Quantity | None, write: Callable[[Quantity | None], str]) -> Cell:
    """A cell with a figure, its interval below it and its evidence below that.

    Args:
        quantity: The figure; a dash stands where it is absent.
        write: How figures of its unit are written, from `render.figures`.
    """
    written, _, interval = write(quantity).partition(" (")
    if quantity is None:
        return Cell(written)
    return Cell(
        written,
        note=interval.rstrip(")"),
        evidence=quantity.evidence.value,
        sort=quantity.value,
    )


def number(count: int) -> Cell:
    """A cell with a whole number."""
    return Cell(f"{count:,}", sort=count)


def columns(*titles: str, first: str = "") -> tuple[Column, ...]:
    """A column of names, then columns of figures."""
    return (Column(first), *(Column(title, figures=True) for title in titles))
