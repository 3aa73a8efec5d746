"""How a figure is written in any view: value, interval, unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.units import format_count

if TYPE_CHECKING:
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Int8Check, StudentResult, Worst

ABSENT = "-"
"""Stands where there is no figure."""


def accuracy(figure: Quantity | None) -> str:
    """A share in percent with its interval.

    >>> from edgedistill.core.evidence import counted
    >>> accuracy(counted(0.925, "x"))
    '92.50 %'
    """
    if figure is None:
        return ABSENT
    return f"{100 * figure.value:.2f} %{_interval(figure, 100, '.2f')}"


def points(figure: Quantity | None) -> str:
    """A difference of two shares in percentage points with its interval."""
    if figure is None:
        return ABSENT
    return f"{100 * figure.value:+.2f} points{_interval(figure, 100, '+.2f')}"


def error(figure: Quantity | None) -> str:
    """A gap between two shares, which has no direction, in percentage points with its interval.

    >>> from edgedistill.core.evidence import counted
    >>> error(counted(0.0325, "x"))
    '3.25 points'
    """
    if figure is None:
        return ABSENT
    return f"{100 * figure.value:.2f} points{_interval(figure, 100, '.2f')}"


def milliseconds(figure: Quantity | None) -> str:
    """A duration in milliseconds with its interval."""
    if figure is None:
        return ABSENT
    return f"{figure.value:.4g} ms{_interval(figure, 1, '.4g')}"


def factor(figure: Quantity | None) -> str:
    """A ratio with its interval."""
    if figure is None:
        return ABSENT
    return f"{figure.value:.2f}x{_interval(figure, 1, '.2f')}"


def megabytes(figure: Quantity | None) -> str:
    """A size with four figures, and its interval where it is no counted one.

    >>> from edgedistill.core.evidence import counted
    >>> megabytes(counted(0.123456, "x"))
    '0.1235 MB'
    """
    if figure is None:
        return ABSENT
    return f"{figure.value:.4g} MB{_interval(figure, 1, '.4g')}"


def millijoules(figure: Quantity | None) -> str:
    """An energy in millijoules with its interval."""
    if figure is None:
        return ABSENT
    return f"{figure.value:.4g} mJ{_interval(figure, 1, '.4g')}"


def count(figure: Quantity | None) -> str:
    """A count with a prefix."""
    return ABSENT if figure is None else format_count(figure.value)


def plain(figure: Quantity | None) -> str:
    """A figure without a unit, with its interval."""
    if figure is None:
        return ABSENT
    return f"{figure.value:.4g}{_interval(figure, 1, '.4g')}"


def worst(figure: Worst | None) -> str:
    """The drop of the worst class or group, without its name."""
    return ABSENT if figure is None else points(figure.drop)


def coverage(check: Int8Check | None) -> str:
    """How much of the network really runs in int8."""
    if check is None:
        return ABSENT
    heavy = check.int8_operators + check.float_operators
    share = check.int8_mac_share
    work = "" if share is None or share == 1.0 else f" ({100 * share:.3g} % of the work)"
    counted = f"{check.int8_operators} of {heavy} heavy operators{work}"
    return f"{counted}, {check.scheme}, {check.verified}"


def evidence(figure: Quantity | None) -> str:
    """How the figure was got."""
    return ABSENT if figure is None else figure.evidence.value


def front(student: StudentResult) -> str:
    """Whether the network that a student would ship is on the Pareto front."""
    return "yes" if student.on_front else "no"


def _interval(figure: Quantity, scale: float, form: str) -> str:
    if figure.low == figure.high:
        return ""
    return f" ({scale * figure.low:{form}} to {scale * figure.high:{form}})"
