"""The lines of a signal that is shown as an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.damage import Signal

if TYPE_CHECKING:
    from edgedistill.core.damage import Content

_WIDTH, _HEIGHT, _EDGE = 100.0, 40.0, 2.0
"""Of the box that the lines are drawn in, and what stays free above and below."""


def sparklines(content: Content | None) -> tuple[str, ...]:
    """The points of each channel as SVG wants them; nothing where there is no signal.

    All channels share one scale, so that their sizes can be compared.

    >>> sparklines(Signal(channels=((0.0, 1.0, 0.5),), thinned=False))
    ('0,38 50,2 100,20',)
    """
    if not isinstance(content, Signal):
        return ()
    values = [value for channel in content.channels for value in channel]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    return tuple(_line(channel, low, high) for channel in content.channels)


def _line(channel: tuple[float, ...], low: float, high: float) -> str:
    last = max(len(channel) - 1, 1)
    room = _HEIGHT - 2 * _EDGE
    return " ".join(
        f"{_WIDTH * place / last:.4g},{_EDGE + room * _below(value, low, high):.4g}"
        for place, value in enumerate(channel)
    )


def _below(value: float, low: float, high: float) -> float:
    """How far below the highest value it stands, as a share of the spread."""
    return (high - value) / (high - low) if high > low else 0.5
