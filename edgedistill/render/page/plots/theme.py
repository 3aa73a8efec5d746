"""How every plot looks. Colours are the page's own CSS variables: one plot serves both schemes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair

    from edgedistill.core.evidence import Quantity

ACCENT = "var(--accent)"
FAINT = "var(--mark)"
INK = "var(--ink)"
MUTED = "var(--muted)"
LINE = "var(--line)"
PAPER = "var(--paper)"

_FONT = "system-ui, sans-serif"
_MOST_LETTERS_PX = 170
"""Longest name beside an axis; the whole one stands in the tooltip and in the table."""

Values = list[dict[str, Any]]
"""What a plot draws: one mapping a mark."""


def data(values: Values) -> altair.InlineData:
    """Values as they stand in the plot, without a name that would differ from call to call."""
    import altair

    return altair.InlineData(values=values)


def rows(field: str, *, order: list[str], grid: bool = False) -> altair.Y:
    """An axis of names, one below the other in this order."""
    import altair

    axis = altair.Axis(grid=grid, ticks=False, domain=False)
    return altair.Y(f"{field}:N", sort=order, title=None, axis=axis)


def tooltip(*shown: tuple[str, str]) -> list[altair.Tooltip]:
    """What hovering over a mark tells: field and title of each line, as text."""
    import altair

    return [altair.Tooltip(f"{field}:N", title=title) for field, title in shown]


def finished(chart: altair.Chart | altair.LayerChart, *, height: int) -> dict[str, Any]:
    """A chart in the page's type and colours, as wide as its place, as Vega-Lite."""
    import altair

    axis = altair.AxisConfig(
        labelColor=MUTED,
        titleColor=MUTED,
        titleFontWeight="normal",
        gridColor=LINE,
        domainColor=LINE,
        tickColor=LINE,
        labelFontSize=12,
        titleFontSize=12,
        labelLimit=_MOST_LETTERS_PX,
        titlePadding=8,
    )
    legend = altair.LegendConfig(
        labelColor=MUTED,
        titleColor=MUTED,
        labelFontSize=12,
        orient="top",
        title=None,
        symbolSize=90,
    )
    config = altair.Config(
        background="transparent",
        font=_FONT,
        axis=axis,
        legend=legend,
        view=altair.ViewConfig(stroke=None),
        aria=False,
        autosize=altair.AutoSizeParams(type="fit-x", contains="padding"),
    )
    sized = chart.properties(width="container", height=height, config=config)
    spec: dict[str, Any] = sized.to_dict()
    return spec


def ends(quantity: Quantity, scale: float = 1.0) -> dict[str, float]:
    """A figure and its interval as a plot's values."""
    return {
        "value": scale * quantity.value,
        "low": scale * quantity.low,
        "high": scale * quantity.high,
    }
