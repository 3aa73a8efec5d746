"""How a check speaks: figures with their interval, and how many more samples would settle it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.figure import Figure
    from edgedistill.core.limits import Limit

MAX_FACTOR = 1000.0
"""More samples than this many times those taken are not worth advising."""


def describe(figure: Figure | Quantity, limit: Limit, bound: float) -> str:
    """The figure against its limit, without the outcome."""
    value, low, high, edge = _written((figure.value, figure.low, figure.high, bound), limit.scale)
    interval = (
        "exact"
        if figure.low == figure.high and figure.confidence == 1.0
        else f"{low} to {high} at {100 * figure.confidence:.6g} % confidence"
    )
    side = "limit" if limit.side == "at most" else "floor"
    return (
        f"{limit.title[:1].upper()}{limit.title[1:]} {value} {limit.unit} "
        f"({interval}, {figure.evidence}) against a {side} of {edge} {limit.unit}"
    )


def _written(numbers: tuple[float, ...], scale: int) -> list[str]:
    """The numbers in so many figures that those which differ from the last one read unlike it.

    >>> _written((0.9, 0.85), 100)
    ['90', '85']
    >>> _written((3.000001, 3.0), 1)
    ['3.000001', '3']
    """
    texts: list[str] = []
    for digits in (4, 6, 9, 12, 17):
        texts = [f"{scale * number:.{digits}g}" for number in numbers]
        if all(
            text != texts[-1]
            for text, number in zip(texts, numbers, strict=True)
            if number != numbers[-1]
        ):
            break
    return texts


def more_samples(figure: Figure | Quantity, bound: float) -> str:
    """How many samples would settle a straddling interval, if the value stays where it is.

    The half width of an interval shrinks with the square root of the number of samples, so the
    half that reaches over the limit has to shrink by its ratio to the value's distance from it.
    """
    distance = abs(bound - figure.value)
    reach = figure.high - figure.value if bound >= figure.value else figure.value - figure.low
    if distance == 0 or (reach / distance) ** 2 > MAX_FACTOR:
        return (
            "The value lies so close to the limit that more samples will hardly settle it: "
            "change the model or the limit"
        )
    # An interval that only touches the limit needs a little more as well.
    needed = figure.samples * max((reach / distance) ** 2, 1.05)
    return (
        f"About {_rounded_up(needed)} samples instead of {figure.samples} would settle it, "
        "if the value stays where it is"
    )


def _rounded_up(count: float) -> int:
    """Rounded up to two figures.

    >>> _rounded_up(101.0), _rounded_up(7.2), _rounded_up(4000.0000001)
    (110, 8, 4000)
    """
    step: int = 10 ** max(0, math.floor(math.log10(max(count, 1))) - 1)
    return math.ceil(round(count / step, 6)) * step
