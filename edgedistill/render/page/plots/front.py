"""Accuracy against cost, with the stair of the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedistill.render import figures
from edgedistill.render.page.plots import theme
from edgedistill.render.scale import logarithmic

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair

    from edgedistill.render.page.networks import Network

_LOGARITHMIC_FROM = 8.0
"""From this ratio of the dearest to the cheapest on, costs stand on a logarithmic axis."""
_SHAPES = {
    "teacher": "diamond",
    "distilled": "circle",
    "pruned": "triangle-up",
    "fp16": "triangle-down",
    "int8": "square",
}
_HEIGHT_PX = 360

_HOVER = (
    ("name", "Network"),
    ("told_accuracy", "Accuracy"),
    ("told_latency", "Median latency"),
    ("evidence", "Evidence"),
    ("told_size", "Size"),
    ("told_macs", "MACs"),
    ("on_front", "On the front"),
)
"""What hovering over a mark tells: field and title."""


def front_plot(networks: Sequence[Network], *, timed: bool) -> dict[str, Any]:
    """Every network as a point with its intervals, those on the front joined by a stair.

    Args:
        networks: With a finite cost each.
        timed: Whether costs are milliseconds, else multiply-accumulates.
    """
    import altair as alt

    middle = (min(one.cost for one in networks) + max(one.cost for one in networks)) / 2
    values = [_value(one, cheap=one.cost <= middle) for one in networks]
    across = _across(values, timed=timed)
    up = alt.Y("accuracy:Q", title="Accuracy (%)", scale=alt.Scale(zero=False, padding=14))
    chart = alt.Chart(theme.data(values))
    colour = alt.when("datum.on_front == 'yes'").then(alt.value(theme.ACCENT))
    tooltip = theme.tooltip(*_HOVER)
    reach = chart.mark_rule(color=theme.MUTED, opacity=0.6)
    layers = [
        chart.transform_filter("datum.on_front == 'yes'")
        .mark_line(color=theme.ACCENT, interpolate="step-after", strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x=across, y=up),
        reach.encode(x=across, y=alt.Y("low:Q"), y2="high:Q"),
        *([reach.encode(x=alt.X("cost_low:Q"), x2="cost_high:Q", y=up)] if timed else []),
        chart.mark_point(
            filled=True, size=120, opacity=1, stroke=theme.PAPER, strokeWidth=1
        ).encode(
            x=across,
            y=up,
            shape=_shape(networks),
            color=colour.otherwise(alt.value(theme.FAINT)),
            tooltip=tooltip,
        ),
        *(layer for value in values if value["ships"] for layer in _ring(value, across, up)),
    ]
    return theme.finished(alt.LayerChart(layer=layers), height=_HEIGHT_PX)


def _ring(value: dict[str, Any], across: altair.X, up: altair.Y) -> list[altair.Chart]:
    """A ring around what ships, and its name: below the stair where it is cheap, else above."""
    import altair as alt

    chart = alt.Chart(theme.data([value]))
    ring = chart.mark_point(size=420, color=theme.INK, filled=False, strokeWidth=1.5)
    beside: dict[str, Any] = (
        {"align": "left", "dx": 15, "dy": 15}
        if value["cheap"]
        else {"align": "right", "dx": -14, "dy": -14}
    )
    name = chart.mark_text(fontSize=12, fontWeight=600, color=theme.INK, **beside)
    return [ring.encode(x=across, y=up), name.encode(x=across, y=up, text="label:N")]


def _value(one: Network, *, cheap: bool) -> dict[str, Any]:
    row = one.row
    p50 = row.latency.p50_ms if row.latency else None
    accuracy = theme.ends(row.accuracy, 100)
    return {
        "name": one.name,
        "step": row.step,
        "accuracy": accuracy["value"],
        "low": accuracy["low"],
        "high": accuracy["high"],
        "cost": one.cost,
        "cost_low": p50.low if p50 else one.cost,
        "cost_high": p50.high if p50 else one.cost,
        "on_front": "yes" if one.on_front else "no",
        "ships": one.ships,
        "label": f"{one.name}, ships",
        "cheap": cheap,
        "told_accuracy": figures.accuracy(row.accuracy),
        "told_latency": figures.milliseconds(p50),
        "evidence": figures.evidence(p50),
        "told_size": figures.megabytes(row.size_mb),
        "told_macs": figures.count(row.macs),
    }


def _shape(networks: Sequence[Network]) -> altair.Shape:
    """A shape for each step that is there."""
    import altair as alt

    drawn = {one.row.step for one in networks}
    present = {step: shape for step, shape in _SHAPES.items() if step in drawn}
    return alt.Shape(
        "step:N",
        sort=list(present),
        scale=alt.Scale(domain=list(present), range=list(present.values())),
        legend=alt.Legend(symbolFillColor=theme.FAINT, symbolStrokeColor=theme.FAINT),
    )


def _across(values: theme.Values, *, timed: bool) -> altair.X:
    """The axis of costs: logarithmic with round ticks where they are far apart."""
    import altair as alt

    title = "Median latency of one inference (ms)" if timed else "Multiply-accumulates"
    form = "~r" if timed else "~s"
    low = min(value["cost_low"] for value in values)
    high = max(value["cost_high"] for value in values)
    axis, scale = alt.Axis(format=form, tickCount=6), alt.Scale(zero=False, padding=14)
    if low > 0 and high / low >= _LOGARITHMIC_FROM:
        ticks = logarithmic(low, high, start=0, end=1).ticks
        axis = alt.Axis(format=form, values=ticks)
        scale = alt.Scale(type="log", domain=[ticks[0], ticks[-1]], nice=False)
    return alt.X("cost:Q", title=title, axis=axis, scale=scale)
