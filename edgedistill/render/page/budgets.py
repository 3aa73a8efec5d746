"""How the figure and the limit of a check are written, with their unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import counted
from edgedistill.render import figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.verdict import Check

_WRITERS: dict[str, Callable[[Quantity | None], str]] = {
    "ms": figures.milliseconds,
    "MB": figures.megabytes,
    "mJ": figures.millijoules,
    "x": figures.factor,
    "%": figures.accuracy,
    "instructions": figures.count,
}
_DIFFERENCES = ("drop", "rise", "fall", "from_baseline")
"""What is in the name of a budget on a difference of two shares."""


def writer(check: Check) -> Callable[[Quantity | None], str]:
    """How the figure of a check is written."""
    if check.unit == "%" and any(word in check.budget for word in _DIFFERENCES):
        return figures.points
    if check.budget == "max_parity_error":
        return figures.plain  # a ratio of errors, far too small for two decimals
    return _WRITERS.get(check.unit, figures.plain)


def limit(check: Check) -> str:
    """The limit of a check, with its side and its unit, for instance `at most 3 ms`."""
    return f"{check.side} {writer(check)(counted(check.limit, 'the budget'))}"
