"""One figure of several networks, one below the other, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.render.page.plots import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.evidence import Quantity

_ROW_PX = 30


@dataclass(frozen=True)
class Bar:
    """One network's figure."""

    name: str
    figure: Quantity
    written: str
    """The figure with its interval and unit."""
    ships: bool


def bars_plot(
    bars: Sequence[Bar],
    *,
    unit: str,
    scale: float = 1.0,
    from_zero: bool = True,
    what: str = "Step",
) -> dict[str, Any]:
    """Bars that begin at zero, or points where zero is far from every figure.

    Args:
        bars: From top to bottom.
        unit: Of the axis.
        scale: What figures are multiplied with to be in that unit.
        from_zero: Whether the axis begins at zero.
        what: What each bar is about, for the tooltip.
    """
    import altair as alt

    up = theme.rows("name", order=[bar.name for bar in bars])
    across = alt.X(
        "value:Q",
        title=unit,
        scale=alt.Scale(zero=from_zero, nice=True),
        axis=alt.Axis(tickCount=4, format="~r"),
    )
    tooltip = theme.tooltip(
        ("name", what), ("written", "Figure"), ("evidence", "Evidence"), ("method", "Method")
    )
    chart = alt.Chart(theme.data([_value(bar, scale) for bar in bars]))
    colour = alt.when("datum.ships").then(alt.value(theme.ACCENT)).otherwise(alt.value(theme.FAINT))
    bar, point = (
        chart.mark_bar(height=12, cornerRadiusEnd=2),
        chart.mark_point(filled=True, size=90),
    )
    reach = chart.mark_rule(color=theme.INK, strokeWidth=1.5)
    mark = bar if from_zero else point
    marks = mark.encode(x=across, y=up, color=colour, opacity=alt.value(1), tooltip=tooltip)
    spans = reach.encode(x=alt.X("low:Q"), x2="high:Q", y=up, tooltip=tooltip)
    layers = [marks, spans] if from_zero else [spans, marks]
    return theme.finished(alt.LayerChart(layer=layers), height=_ROW_PX * len(bars))


def _value(bar: Bar, scale: float) -> dict[str, Any]:
    return {
        "name": bar.name,
        **theme.ends(bar.figure, scale),
        "ships": bar.ships,
        "written": bar.written,
        "evidence": bar.figure.evidence.value,
        "method": bar.figure.method,
    }
