"""Which candidate of a student ships: a pure function of stored figures.

So a replay chooses the same. Candidates are the last fp32 network and its int8 twin. The fastest
that keeps the accuracy budget ships; where the measurement cannot tell, or there is none, the
profile's documented default does. Which of several students ships is `app.choose_student`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edgedistill.core.evidence import Evidence
from edgedistill.core.report import Choice
from edgedistill.units import format_percent

if TYPE_CHECKING:
    from edgedistill.core.budget import Budget
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.profile import Runtime
    from edgedistill.core.report import Row, Worst

SHIPPED = "model.onnx"
ACCURACY_LIMITS = (
    "min_accuracy",
    "max_accuracy_drop",
    "max_worst_class_drop",
    "max_worst_group_drop",
)
"""The limits of a budget that are on accuracy."""
UNBUDGETED_DROP = 0.02
"""How much accuracy int8 may cost against fp32 where the budget has no accuracy limit."""


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


def choose(
    fp32: Row, int8: Row | None, *, speedup: Quantity | None, budget: Budget, runtime: Runtime
) -> Choice:
    """Chooses between the last fp32 network and its int8 twin.

    Args:
        fp32: The last fp32 row.
        int8: The int8 row, or None where the target runs no int8 or the recipe left it out.
        speedup: Median latency of fp32 over that of int8, from interleaved rounds on the device
            or from estimates; None where there is neither.
        budget: The target's budget; only its accuracy limits count here.
        runtime: The target's runtime, whose default decides where measurement cannot.
    """
    if int8 is None:
        return _ship(fp32, decided=True, reason="there is no int8 candidate for this target")
    broken, fp32_broken = (broken_against(row, fp32.accuracy, budget) for row in (int8, fp32))
    if broken and not fp32_broken:
        return _ship(fp32, decided=True, reason=f"int8 {broken}; fp32 keeps it")
    if fp32_broken and not broken:
        return _ship(int8, decided=True, reason=f"fp32 {fp32_broken}; int8 keeps it")
    if speedup is None:
        default = int8 if runtime.default_precision == "int8" else fp32
        reason = (
            "no latency was measured on this device and none is estimated, so the profile's "
            f"documented default ({runtime.default_precision}) ships"
        )
        return _ship(default, decided=False, reason=reason)
    ratio = f"{speedup.value:.2f}x [{speedup.low:.2f}, {speedup.high:.2f}]"
    here = "by the estimates" if speedup.evidence == Evidence.ESTIMATED else "here"
    if speedup.low > 1.0:
        return _ship(int8, decided=True, reason=f"int8 is {ratio} as fast as fp32 {here}")
    if speedup.high < 1.0:
        return _ship(fp32, decided=True, reason=f"int8 is only {ratio} as fast as fp32 {here}")
    default = int8 if runtime.default_precision == "int8" else fp32
    reason = (
        f"int8 is {ratio} as fast as fp32 {here}: too close to tell, so the profile's documented "
        f"default ({runtime.default_precision}) ships"
    )
    return _ship(default, decided=False, reason=reason)


def _ship(row: Row, *, decided: bool, reason: str) -> Choice:
    return Choice(step=row.step, model=SHIPPED, decided=decided, reason=reason)


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
