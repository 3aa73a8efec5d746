"""Accuracy of every class, or of every group, before and after: the worst drop on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedistill.render import figures
from edgedistill.render.page.plots import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.damage import PartDamage

MOST_PARTS = 40
"""How many are drawn, the worst ones; the table beside the plot holds all."""
_ROW_PX = 22
_AXES_PX = 40


def parts_plot(parts: Sequence[PartDamage], *, before: str, after: str) -> dict[str, Any]:
    """A line from the accuracy before to the one after, with the interval of the latter.

    Args:
        parts: Classes or groups, the worst drop first.
        before: What the network compared with is called.
        after: What the network judged is called.
    """
    import altair as alt

    shown = parts[:MOST_PARTS]
    names = [{"name": part.name, **_facts(part)} for part in shown]
    points = [
        {**value, "network": network, "accuracy": value[side]}
        for value in names
        for side, network in (("before", f"{before} (before)"), ("after", f"{after} (after)"))
    ]
    up = alt.Y(
        "name:N",
        sort=[part.name for part in shown],
        title=None,
        axis=alt.Axis(grid=True, ticks=False, domain=False),
    )
    across = alt.X(
        "accuracy:Q",
        title="Accuracy (%)",
        axis=alt.Axis(format="~r", tickCount=6),
        scale=alt.Scale(zero=False, nice=True, padding=6),
    )
    colour = alt.Color(
        "network:N",
        scale=alt.Scale(
            domain=[f"{before} (before)", f"{after} (after)"], range=[theme.FAINT, theme.ACCENT]
        ),
        legend=alt.Legend(symbolType="circle"),
    )
    tooltip = [
        alt.Tooltip(f"{field}:N", title=title)
        for field, title in (
            ("name", "Name"),
            ("told_before", "Before"),
            ("told_after", "After"),
            ("told_drop", "Lost"),
            ("evidence", "Evidence"),
            ("samples", "Samples"),
        )
    ]
    lines = alt.Chart(theme.data(names))
    layers = [
        lines.mark_rule(color=theme.ACCENT, opacity=0.28, strokeWidth=7).encode(
            x=alt.X("low:Q"), x2="high:Q", y=up, tooltip=tooltip
        ),
        lines.mark_rule(color=theme.MUTED, strokeWidth=1.5).encode(
            x=alt.X("before:Q"), x2="after:Q", y=up, tooltip=tooltip
        ),
        alt.Chart(theme.data(points))
        .mark_point(filled=True, size=70, opacity=1)
        .encode(x=across, y=up, color=colour, tooltip=tooltip),
    ]
    return theme.finished(alt.LayerChart(layer=layers), height=_ROW_PX * len(shown) + _AXES_PX)


def _facts(part: PartDamage) -> dict[str, Any]:
    return {
        "before": 100 * part.before.value,
        "after": 100 * part.after.value,
        "low": 100 * part.after.low,
        "high": 100 * part.after.high,
        "told_before": figures.accuracy(part.before),
        "told_after": figures.accuracy(part.after),
        "told_drop": figures.points(part.drop),
        "evidence": part.drop.evidence.value,
        "samples": f"{part.samples:,}",
    }
