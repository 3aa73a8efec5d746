"""What a profile said of its owner's measurements before it was refined with them, and after."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from edgedistill.render.columns import table
from edgedistill.render.estimate import WIDTH, milliseconds

if TYPE_CHECKING:
    from edgedistill.core.target_fit import FittedRow, RefittedCost, TargetFit

_HEADS = ("model", "runtime", "precision", "threads", "measured", "before", "off", "after", "off")
_MODEL_WIDTH = 28


def fit_page(fit: TargetFit) -> str:
    """Each measurement with both estimates, then what each cost rests on now."""
    parts = [
        table([_HEADS, *(_cells(row) for row in fit.rows)], right=range(3, 9)),
        *(_cost(one) for one in fit.costs),
        f"Written to {fit.file} as the target {fit.target}. Use it: --target {fit.file}",
    ]
    return "\n\n".join(parts) + "\n"


def _cells(row: FittedRow) -> tuple[str, ...]:
    before = row.before_percent
    return (
        row.model if len(row.model) <= _MODEL_WIDTH else f"…{row.model[1 - _MODEL_WIDTH :]}",
        row.runtime,
        row.precision,
        str(row.threads),
        milliseconds(row.measured_ms),
        "-" if row.before_ms is None else milliseconds(row.before_ms),
        "-" if before is None else _percent(before),
        milliseconds(row.after_ms),
        _percent(row.after_percent),
    )


def _percent(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f} %"  # what is added turns -0.0 into 0.0


def _cost(one: RefittedCost) -> str:
    cost = one.cost
    interval = cost.interval
    texts = [
        f"{one.runtime} in {one.precision}: {one.tier_before} before, now {cost.tier} "
        f"({cost.measurements} measurement(s), families: {cost.families}); "
        f"{100 * interval.confidence:.3g} % interval x {interval.low:.3g} to x {interval.high:.3g}"
    ]
    if cost.error is not None:
        texts.append(
            f"left out of the fit, estimates are off by {cost.error.mean_percent:.1f} % on "
            f"average, MACs times a constant by {cost.error.macs_constant_mean_percent or 0:.1f} %"
        )
    return "\n".join(
        textwrap.fill(text, WIDTH, initial_indent="  " * place, subsequent_indent="    ")
        for place, text in enumerate(texts)
    )
