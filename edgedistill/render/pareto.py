"""`pareto.svg`: accuracy against cost of every network of a report, and the front among them.

One file that needs nothing else: no script, no font, no library. It follows the reader's light or
dark scheme. Names stay text, whatever they look like.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from edgedistill.core.front import costs, rows_on_front
from edgedistill.render import figures
from edgedistill.render.labels import LETTER_PX, Box, place_labels
from edgedistill.render.scale import linear, logarithmic
from edgedistill.units import format_count

if TYPE_CHECKING:
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Report, Row, Step
    from edgedistill.render.labels import Anchor
    from edgedistill.render.scale import Scale

PARETO_FILE = "pareto.svg"

_WIDTH, _HEIGHT = 760, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 740, 62, 400
_LOGARITHMIC_FROM = 8.0
"""From this ratio of the dearest to the cheapest on, costs stand on a logarithmic axis."""
_LONGEST_LABEL, _LONGEST_TITLE = 32, 84
"""Letters; the whole name stands in the tooltip and in the report's table."""
_SHAPES: dict[Step, str] = {
    "teacher": "M0-6.5 6.5 0 0 6.5-6.5 0z",
    "distilled": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "pruned": "M0-6 6 5-6 5z",
    "fp16": "M0 6 6-5H-6z",
    "int8": "M-4.7-4.7h9.4v9.4h-9.4z",
}
_STYLE = """
text{font:12px system-ui,sans-serif;fill:#1f2328}
.name,.faint,.ships{paint-order:stroke;stroke:#fff;stroke-width:3px}
.title{font-size:15px;font-weight:600}.faint{fill:#59636e}.ships{font-weight:600}
.ground{fill:#fff}.grid{stroke:#d1d9e0}.reach{stroke:#818b98;stroke-opacity:.45}
.front{fill:none;stroke:#0969da;stroke-width:1.5;stroke-dasharray:5 3}
.on{fill:#0969da}.off{fill:#818b98}.ring{fill:none;stroke:#1f2328;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.faint{fill:#9198a1}.ground{fill:#0d1117}
.name,.faint,.ships{stroke:#0d1117}
.grid{stroke:#3d444d}.reach{stroke:#9198a1}.front{stroke:#4493f8}.on{fill:#4493f8}
.off{fill:#656c76}.ring{stroke:#f0f6fc}}
"""


@dataclass(frozen=True)
class _Point:
    """One network as it is drawn."""

    label: str
    row: Row
    cost: float
    on_front: bool
    ships: bool

    @property
    def percent(self) -> float:
        return 100 * self.row.accuracy.value


@dataclass(frozen=True)
class _Plot:
    points: tuple[_Point, ...]
    measured: bool
    """Costs are milliseconds, else multiply-accumulates."""
    across: Scale
    up: Scale

    def at(self, point: _Point) -> tuple[float, float]:
        return self.across.place(point.cost), self.up.place(point.percent)


def pareto_svg(report: Report) -> str:
    """The accuracy and cost of all networks of a report with several students, as an SVG.

    A teacher behind an endpoint costs nothing that could be drawn, so it is left out.
    Cost is the median latency where every network was measured, else multiply-accumulates.
    """
    plot = _plot(report)
    what = "median latency" if plot.measured else "multiply-accumulates"
    title = f"Accuracy and {what} on {report.target_title}"
    unit = "Median latency of one inference (ms)" if plot.measured else "Multiply-accumulates"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}"/>',
        _write(_LEFT, 24, _cut(title, _LONGEST_TITLE), "title"),
        _write(_LEFT, 44, "Accuracy on the validation split (%)", "faint"),
        *_axes(plot),
        _write((_LEFT + _RIGHT) / 2, _BOTTOM + 40, unit, "faint", anchor="middle"),
        *_front(plot),
        *(_reach(plot, point) for point in plot.points),
        *(_mark(plot, point) for point in plot.points),
        *_labels(plot),
        *_legend(plot),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _plot(report: Report) -> _Plot:
    named = [("teacher", row, False) for row in report.rows[:1] if row.has_file]
    for one in report.students:
        chosen = one.name == report.choice.student
        named += [
            (f"{one.name} {row.step}", row, chosen and row.step == report.choice.step)
            for row in one.rows
        ]
    rows = [row for _, row, _ in named]
    measured = all(row.latency is not None for row in rows)
    paid = costs(rows)
    points = tuple(
        _Point(label, row, cost, on_front, ships)
        for (label, row, ships), cost, on_front in zip(
            named, paid, rows_on_front(rows), strict=True
        )
    )
    spans = [_cost_span(row) for row in rows] if measured else [(cost, cost) for cost in paid]
    low, high = min(low for low, _ in spans), max(high for _, high in spans)
    wide = low > 0 and high / low >= _LOGARITHMIC_FROM
    across = (logarithmic if wide else linear)(low, high, start=_LEFT, end=_RIGHT)
    bounds = [100 * end for row in rows for end in (row.accuracy.low, row.accuracy.high)]
    up = linear(min(bounds), max(bounds), start=_BOTTOM, end=_TOP)
    return _Plot(points, measured, across, up)


def _cost_span(row: Row) -> tuple[float, float]:
    assert row.latency is not None
    return row.latency.p50_ms.low, row.latency.p50_ms.high


def _axes(plot: _Plot) -> list[str]:
    lines = []
    for tick in plot.up.ticks:
        y = plot.up.place(tick)
        lines.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>')
        lines.append(_write(_LEFT - 8, y + 4, f"{tick:g}", "faint", anchor="end"))
    for tick in plot.across.ticks:
        x = plot.across.place(tick)
        lines.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{_BOTTOM}"/>')
        text = f"{tick:g}" if plot.measured else format_count(tick)
        lines.append(_write(x, _BOTTOM + 18, text, "faint", anchor="middle"))
    return lines


def _front(plot: _Plot) -> list[str]:
    """A stair: until something dearer is better, the best so far is the best there is."""
    (x, y), *rest = _stair(plot)
    path = f"M{x:.1f} {y:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in rest)
    return [f'<path class="front" d="{path}"/>']


def _stair(plot: _Plot) -> list[tuple[float, float]]:
    """The points of the front in pixels, from the cheapest on."""
    return sorted(plot.at(point) for point in plot.points if point.on_front)


def _reach(plot: _Plot, point: _Point) -> str:
    """The intervals, as a thin cross."""
    x, y = plot.at(point)
    low, high = (plot.up.place(100 * end) for end in _ends(point.row.accuracy))
    path = f"M{x:.1f} {low:.1f}V{high:.1f}"
    if plot.measured and point.row.latency is not None:
        left, right = (plot.across.place(end) for end in _ends(point.row.latency.p50_ms))
        path += f"M{left:.1f} {y:.1f}H{right:.1f}"
    return f'<path class="reach" d="{path}"/>'


def _ends(figure: Quantity) -> tuple[float, float]:
    return figure.low, figure.high


def _mark(plot: _Plot, point: _Point) -> str:
    x, y = plot.at(point)
    row = point.row
    cost = figures.milliseconds(row.latency.p50_ms) if row.latency else figures.count(row.macs)
    told = (
        f"{point.label}: {figures.accuracy(row.accuracy)}, {cost}, {figures.megabytes(row.size_mb)}"
    )
    ring = '<circle class="ring" r="9.5"/>' if point.ships else ""
    kind = "on" if point.on_front else "off"
    return (
        f'<g transform="translate({x:.1f} {y:.1f})"><title>{_text(told)}</title>'
        f'<path class="{kind}" d="{_SHAPES[row.step]}"/>{ring}</g>'
    )


def _labels(plot: _Plot) -> list[str]:
    """What ships gets its place first, then the front, then the rest as far as there is room."""
    order = sorted(plot.points, key=lambda point: (not point.ships, not point.on_front))
    texts = [_cut(f"{point.label}, ships" if point.ships else point.label) for point in order]
    inside = Box(_LEFT, _TOP, _RIGHT, _BOTTOM)
    stair = _stair(plot)
    lines = [
        box
        for (x, y), (right, above) in itertools.pairwise(stair)
        for box in (Box(x, y - 1, right, y + 1), Box(right - 1, above, right + 1, y))
    ]
    points = [plot.at(point) for point in order]
    labels = place_labels(points, texts, inside=inside, lines=lines)
    return [
        _write(
            label.x,
            label.y,
            text,
            "ships" if point.ships else "name" if point.on_front else "faint",
            anchor=label.anchor,
        )
        for point, text, label in zip(order, texts, labels, strict=True)
        if label is not None
    ]


def _legend(plot: _Plot) -> list[str]:
    y, x = _HEIGHT - 14, _LEFT + 6.0
    drawn = {point.row.step for point in plot.points}
    confidence = plot.points[0].row.accuracy.confidence
    parts = []
    for step, shape in ((step, shape) for step, shape in _SHAPES.items() if step in drawn):
        parts.append(f'<path class="off" transform="translate({x:.1f} {y - 4})" d="{shape}"/>')
        parts.append(_write(x + 11, y, step, "faint"))
        x += 32 + LETTER_PX * len(step)
    parts.append(f'<path class="front" d="M{x:.1f} {y - 4}h26"/>')
    parts.append(_write(x + 32, y, "on the front (blue)", "faint"))
    crosses = f"crosses: {100 * confidence:.3g} % intervals"
    parts.append(_write(_RIGHT, y, crosses, "faint", anchor="end"))
    return parts


def _cut(text: str, most: int = _LONGEST_LABEL) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def _write(x: float, y: float, text: str, kind: str, *, anchor: Anchor = "start") -> str:
    turned = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{turned}>{_text(text)}</text>'


def _text(text: str) -> str:
    """Text that stays text; what XML may not hold or a reader may not see becomes a mark."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in text))
