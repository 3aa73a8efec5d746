"""Whether a network keeps the accuracy that its target's budget asks, by figures alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edgedistill.units import format_percent

if TYPE_CHECKING:
    from edgedistill.core.budget import Budget
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Worst

ACCURACY_LIMITS = (
    "min_accuracy",
    "max_accuracy_drop",
    "max_worst_class_drop",
    "max_worst_group_drop",
)
"""The limits of a budget that are on accuracy."""
UNBUDGETED_DROP = 0.02
"""How much accuracy a candidate may cost against fp32 where the budget has no accuracy limit."""


class Losses(Protocol):
    """What a model's accuracy is and what it lost against the teacher, as a row of a report has."""

    @property
    def accuracy(self) -> Quantity:
        """On the validation split."""

    @property
    def accuracy_drop(self) -> Quantity | None:
        """Lost against the teacher."""

    @property
    def worst_class(self) -> Worst | None:
        """The class that lost most."""

    @property
    def worst_group(self) -> Worst | None:
        """The group that lost most."""


def limits_accuracy(budget: Budget) -> bool:
    """Whether the budget has any limit on accuracy."""
    return any(getattr(budget, name) is not None for name in ACCURACY_LIMITS)


def broken_against(row: Losses, fp32: Quantity, budget: Budget) -> str | None:
    """Which limit on accuracy a row's figures break, in words; None where they keep all.

    Args:
        row: The figures.
        fp32: Accuracy of the last fp32 network, which decides where no limit says what int8 may
            cost.
        budget: The target's budget.
    """
    return broken_accuracy(row, budget) or _broken_unbudgeted(row, fp32, budget)


def broken_accuracy(row: Losses, budget: Budget) -> str | None:
    """Which accuracy limit the row's figures break, in words; None where they keep all."""
    losses = (
        ("accuracy", row.accuracy_drop, budget.max_accuracy_drop),
        ("of its worst class", _drop(row.worst_class), budget.max_worst_class_drop),
        ("of its worst group", _drop(row.worst_group), budget.max_worst_group_drop),
    )
    for what, figure, limit in losses:
        if limit is not None and figure is not None and not figure.value <= limit:
            return (
                f"loses {format_percent(figure.value)} {what} against the teacher, more than the "
                f"budget's {format_percent(limit)}"
            )
    accuracy = row.accuracy.value
    if budget.min_accuracy is not None and not accuracy >= budget.min_accuracy:
        return (
            f"has an accuracy of {format_percent(accuracy)}, below the budget's "
            f"{format_percent(budget.min_accuracy)}"
        )
    return None


def _broken_unbudgeted(row: Losses, fp32: Quantity, budget: Budget) -> str | None:
    """Whether it costs more than may go unsaid, in words, where no limit says what it may cost."""
    cost = fp32.value - row.accuracy.value
    if limits_accuracy(budget) or cost <= UNBUDGETED_DROP:
        return None
    return (
        f"has {format_percent(cost)} less accuracy than fp32, and "
        "the budget has no accuracy limit that would allow it"
    )


def _drop(worst: Worst | None) -> Quantity | None:
    return None if worst is None else worst.drop
