"""Where the time of one inference goes: the operator classes of each network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedistill.render import figures
from edgedistill.render.page.plots import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.operator_times import OperatorTimes

_BAR_PX, _GAP_PX, _AXES_PX = 15, 12, 40

_HOVER = (
    ("operators", "Operators"),
    ("network", "Network"),
    ("told", "Time"),
    ("evidence", "Evidence"),
    ("count", "How many"),
)
"""What hovering over a mark tells: field and title."""


def times_plot(networks: Sequence[OperatorTimes]) -> dict[str, Any]:
    """A bar for each class of operator and each network, the slowest class on top.

    Args:
        networks: The one compared with first, the one that ships last.
    """
    import altair as alt

    values, order = _values(networks), _slowest_first(networks)
    drawn = [one.network for one in networks]
    up = theme.rows("operators", order=order)
    beside = alt.YOffset("network:N", sort=drawn)
    colours = [theme.FAINT] * (len(drawn) - 1) + [theme.ACCENT]
    colour = alt.Color("network:N", sort=drawn, scale=alt.Scale(domain=drawn, range=colours))
    tooltip = theme.tooltip(*_HOVER)
    across = alt.X(
        "value:Q", title="Milliseconds of one inference", axis=alt.Axis(format="~r", tickCount=6)
    )
    chart = alt.Chart(theme.data(values))
    layers = [
        chart.mark_bar(cornerRadiusEnd=2).encode(
            x=across, y=up, yOffset=beside, color=colour, tooltip=tooltip
        ),
        chart.mark_rule(color=theme.INK, strokeWidth=1.5).encode(
            x=alt.X("low:Q"), x2="high:Q", y=up, yOffset=beside, tooltip=tooltip
        ),
    ]
    height = len(order) * (_BAR_PX * len(drawn) + _GAP_PX) + _AXES_PX
    return theme.finished(alt.LayerChart(layer=layers), height=height)


def _values(networks: Sequence[OperatorTimes]) -> theme.Values:
    return [
        {
            "network": one.network,
            "operators": each.operators,
            **theme.ends(each.time_ms),
            "told": figures.milliseconds(each.time_ms),
            "evidence": each.time_ms.evidence.value,
            "count": f"{each.count:,}, of which {each.int8:,} in int8",
        }
        for one in networks
        for each in one.classes
    ]


def _slowest_first(networks: Sequence[OperatorTimes]) -> list[str]:
    slowest: dict[str, float] = {}
    for one in networks:
        for each in one.classes:
            slowest[each.operators] = max(slowest.get(each.operators, 0), each.time_ms.value)
    return sorted(slowest, key=lambda name: (-slowest[name], name))
