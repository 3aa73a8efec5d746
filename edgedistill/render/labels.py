"""Where the labels of a plot's points stand so that none covers another. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LETTER_PX = 6.6
"""Width of a letter at 12 px, on the wide side: fonts differ from reader to reader."""
_ASCENT_PX, _DESCENT_PX = 10.0, 3.0
_GAP_PX = 11.0
_MARK_PX = 7.0

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two share some area."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def holds(self, other: Box) -> bool:
        """Whether the other lies inside."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


@dataclass(frozen=True)
class Label:
    """A text beside its point."""

    x: float
    y: float
    """The baseline of the text, in pixels."""
    anchor: Anchor
    """Which part of the text stands at x."""
    box: Box
    """What the text covers."""


def place_labels(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    *,
    inside: Box,
    lines: Sequence[Box] = (),
) -> tuple[Label | None, ...]:
    """Puts each text beside its point, the first ones first.

    Args:
        points: Where the points stand, in pixels.
        texts: What stands beside each, in the same order.
        inside: What no label may leave.
        lines: What else no label may cover.

    Returns:
        A label for each point; None where there is no room left for it.
    """
    taken = [_around(x, y) for x, y in points]
    labels: list[Label | None] = []
    for place, (x, y) in enumerate(points):
        others = [*lines, *(box for which, box in enumerate(taken) if which != place)]
        free = (
            label
            for label in _places(x, y, LETTER_PX * len(texts[place]))
            if inside.holds(label.box) and not any(label.box.meets(box) for box in others)
        )
        label = next(free, None)
        labels.append(label)
        if label is not None:
            taken.append(label.box)
    return tuple(labels)


def _around(x: float, y: float) -> Box:
    return Box(x - _MARK_PX, y - _MARK_PX, x + _MARK_PX, y + _MARK_PX)


def _places(x: float, y: float, width: float) -> Iterator[Label]:
    """Where a stair of points that rises to the right leaves room, then all around."""
    middle = y + (_ASCENT_PX - _DESCENT_PX) / 2
    above, below = y - _GAP_PX, y + _GAP_PX + _ASCENT_PX
    right, left = x + _GAP_PX, x - _GAP_PX
    yield _label(left + _GAP_PX / 2, above + _GAP_PX / 2, "end", width)
    yield _label(right - _GAP_PX / 2, below - _GAP_PX / 2, "start", width)
    yield _label(right, middle, "start", width)
    yield _label(left, middle, "end", width)
    yield _label(x, above, "middle", width)
    yield _label(x, below, "middle", width)
    for baseline in (above, below):
        yield _label(x, baseline, "start", width)
        yield _label(x, baseline, "end", width)


def _label(x: float, y: float, anchor: Anchor, width: float) -> Label:
    left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
    return Label(x, y, anchor, Box(left, y - _ASCENT_PX, left + width, y + _DESCENT_PX))
