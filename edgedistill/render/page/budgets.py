"""How a figure that a budget limits is written, by the unit in the budget's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import counted
from edgedistill.render import figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.evidence import Quantity

_WRITERS: tuple[tuple[str, Callable[[Quantity | None], str]], ...] = (
    ("_ms", figures.milliseconds),
    ("_mb", figures.megabytes),
    ("_mj", figures.millijoules),
    ("_drop", figures.points),
    ("_rise", figures.points),
    ("_fall", figures.points),
    ("_from_baseline", figures.points),
    ("_ratio", figures.factor),
    ("_int8_share", figures.accuracy),
    ("_accuracy", figures.accuracy),
)


def writer(budget: str) -> Callable[[Quantity | None], str]:
    """How the figure of a budget is written, with its unit.

    >>> writer("latency_p95_ms")(counted(2.5, "clock"))
    '2.5 ms'
    """
    return next((write for ending, write in _WRITERS if budget.endswith(ending)), figures.plain)


def limit(budget: str, bound: float) -> str:
    """A limit in the unit of its figure.

    >>> limit("max_accuracy_drop", 0.01), limit("min_accuracy", 0.95)
    ('+1.00 points', '95.00 %')
    """
    return writer(budget)(counted(bound, "the budget"))
