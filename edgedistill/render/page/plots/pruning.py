"""The networks that a search for widths priced: importance kept against cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedistill.render.page.plots import theme
from edgedistill.render.pruning import goal_cost
from edgedistill.units import format_count, format_percent

if TYPE_CHECKING:
    from edgedistill.core.pruned import Pruned

_HEIGHT_PX = 300

_HOVER = (
    ("number", "Network"),
    ("told_cost", "Cost"),
    ("evidence", "Evidence"),
    ("told_kept", "Importance kept"),
    ("macs", "MACs"),
    ("form", "As"),
    ("on_front", "On the front"),
)
"""What hovering over a mark tells: field and title."""


def pruning_plot(search: Pruned) -> dict[str, Any]:
    """Every network that was priced as a point, the front joined by a stair, what was taken ringed.

    Args:
        search: With one candidate at least.
    """
    import altair as alt

    values = _values(search)
    form = "~r" if search.unit in ("ms", "MB") else "~s"
    across = alt.X(
        "cost:Q",
        title=f"Cost ({search.unit})",
        axis=alt.Axis(format=form, tickCount=6),
        scale=alt.Scale(zero=False, padding=14),
    )
    up = alt.Y("kept:Q", title="Importance kept (%)", scale=alt.Scale(zero=False, padding=10))
    tooltip = theme.tooltip(*_HOVER)
    chart = alt.Chart(theme.data(values))
    colour = alt.when("datum.on_front == 'yes'").then(alt.value(theme.ACCENT))
    taken = chart.transform_filter("datum.taken")
    layers = [
        chart.mark_rule(color=theme.MUTED, strokeDash=[3, 3]).encode(x=alt.datum(search.limit)),
        chart.transform_filter("datum.on_front == 'yes'")
        .mark_line(color=theme.ACCENT, interpolate="step-after", strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x=across, y=up),
        chart.mark_point(filled=True, size=55, opacity=0.9).encode(
            x=across, y=up, color=colour.otherwise(alt.value(theme.FAINT)), tooltip=tooltip
        ),
        taken.mark_point(size=300, color=theme.INK, filled=False, strokeWidth=1.5).encode(
            x=across, y=up
        ),
        taken.mark_text(dy=-16, fontSize=12, fontWeight=600, color=theme.INK).encode(
            x=across, y=up, text="label:N"
        ),
    ]
    return theme.finished(alt.LayerChart(layer=layers), height=_HEIGHT_PX)


def _values(search: Pruned) -> theme.Values:
    return [
        {
            "number": place + 1,
            "cost": one.cost.value,
            "kept": 100 * one.kept_importance,
            "on_front": "yes" if one.on_front else "no",
            "taken": place == search.chosen,
            "label": "taken",
            "told_cost": goal_cost(one.cost, search.unit),
            "evidence": one.cost.evidence.value,
            "told_kept": format_percent(one.kept_importance),
            "macs": format_count(one.macs),
            "form": one.form,
        }
        for place, one in enumerate(search.candidates)
    ]
