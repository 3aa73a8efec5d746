"""What becomes of a baseline, as lines that a person reviews before a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render.columns import table
from edgedistill.render.escaping import visible
from edgedistill.render.figures import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.baseline import BaselineChange, FigureChange
    from edgedistill.core.evidence import Quantity

_COLUMNS = ("figure", "old", "new", "difference", "")
LEGEND = "better and worse: the intervals lie apart; not apart: the figures may be equal."
LATENCIES = (
    "Latencies were taken at two times and prove no change: the gate runs both models side by side."
)


def baseline_page(changes: Sequence[BaselineChange], *, written: bool) -> str:
    """All that changes, baseline by baseline.

    Args:
        changes: Of all files.
        written: Whether the files were written, or would only be.
    """
    parts = [_one(change, written=written) for change in changes]
    compared = [
        figure.budget
        for change in changes
        for figure in change.figures
        if figure.verdict in ("better", "worse", "not apart")
    ]
    if compared:
        timed = any(budget.startswith("latency_") for budget in compared)
        parts.append(f"{LEGEND} {LATENCIES}" if timed else LEGEND)
    return "\n\n".join(parts) + "\n"


def _one(change: BaselineChange, *, written: bool) -> str:
    new, old = change.new, change.old
    file, target, run = map(visible, (change.file, new.target, new.run))
    if not change.changes:
        return f"{file}: nothing changes ({target}, model {new.model_sha256[:12]})"
    made = "made" if written else "to be made"
    changed = "changed" if written else "to be changed"
    lines = [f"{file}: {made if old is None else changed} ({target}, run {run})"]
    was = "" if old is None else f", was {old.model_sha256[:12]}"
    same = old is not None and old.model_sha256 == new.model_sha256
    lines.append(f"model {new.model_sha256[:12]}{', the same' if same else was}")
    if new.model is not None:
        beside = "beside it" if written else "to be put beside it"
        lines.append(f"{new.model} {beside}")
    elif old is not None and old.model is not None:
        lines.append(f"{old.model} is no longer named: remove it")
    if old is not None and old.conditions != new.conditions:
        lines.append("the conditions differ: latencies, old and new, are not comparable")
    rows = [_COLUMNS, *(_cells(figure) for figure in change.figures)]
    return "\n".join([*lines, table(rows)])


def _cells(figure: FigureChange) -> tuple[str, ...]:
    return (
        figure.budget,
        _written(figure.old, figure.unit),
        _written(figure.new, figure.unit),
        _difference(figure),
        figure.verdict,
    )


def _written(figure: Quantity | None, unit: str) -> str:
    if figure is None:
        return ABSENT
    scale = 100 if unit == "%" else 1
    value = f"{scale * figure.value:.4g} {unit}"
    if figure.low == figure.high:
        return value
    return f"{value} ({scale * figure.low:.4g} to {scale * figure.high:.4g})"


def _difference(figure: FigureChange) -> str:
    """In the unit, points for what is a percentage, and beside it relative to the old figure."""
    if figure.difference is None or figure.old is None:
        return ABSENT
    if figure.unit == "%":
        return f"{100 * figure.difference:+.2f} points"
    share = f" ({figure.difference / figure.old.value:+.1%})" if figure.old.value else ""
    return f"{figure.difference:+.4g} {figure.unit}{share}"
