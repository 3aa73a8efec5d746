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

_HOVER = (
    ("name", "Name"),
    ("told_before", "Before"),
    ("told_after", "After"),
    ("told_drop", "Lost"),
    ("evidence", "Evidence"),
    ("samples", "Samples"),
)
"""What hovering over a mark tells: field and title."""


def parts_plot(parts: Sequence[PartDamage], *, before: str, after: str) -> dict[str, Any]:
    """A line from the accuracy before to the one after, with the interval of the latter.

    Args:
        parts: Classes or groups, the worst drop first.
        before: What the network compared with is called.
        after: What the network judged is called.
    """
    import altair as alt

    shown = parts[:MOST_PARTS]
    networks = {"before": f"{before} (before)", "after": f"{after} (after)"}
    values = [{"name": part.name, **_facts(part)} for part in shown]
    points = [
        {**value, "network": network, "accuracy": value[side]}
        for value in values
        for side, network in networks.items()
    ]
    up = theme.rows("name", order=[part.name for part in shown], grid=True)
    across = alt.X(
        "accuracy:Q",
        title="Accuracy (%)",
        axis=alt.Axis(format="~r", tickCount=6),
        scale=alt.Scale(zero=False, nice=True, padding=6),
    )
    colour = alt.Color(
        "network:N",
        scale=alt.Scale(domain=list(networks.values()), range=[theme.FAINT, theme.ACCENT]),
        legend=alt.Legend(symbolType="circle"),
    )
    lines, dots = alt.Chart(theme.data(values)), alt.Chart(theme.data(points))
    reach = lines.mark_rule(color=theme.ACCENT, opacity=0.28, strokeWidth=7)
    drop = lines.mark_rule(color=theme.MUTED, strokeWidth=1.5)
    dot = dots.mark_point(filled=True, size=70, opacity=1)
    hover = {"y": up, "tooltip": theme.tooltip(*_HOVER)}
    layers = [
        reach.encode(x=alt.X("low:Q"), x2="high:Q", **hover),
        drop.encode(x=alt.X("before:Q"), x2="after:Q", **hover),
        dot.encode(x=across, color=colour, **hover),
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
