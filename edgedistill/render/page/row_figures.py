"""The figures of one network, as tables and plots of several pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.page.blocks import Plot
from edgedistill.render.page.plots.bars import Bar, bars_plot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Row


@dataclass(frozen=True)
class RowFigure:
    """One figure of a row: where it stands and how it is written."""

    title: str
    take: Callable[[Row], Quantity | None]
    write: Callable[[Quantity | None], str]
    unit: str = ""
    """Of the axis where it is drawn."""
    scale: float = 1.0
    """What it is multiplied with to be in that unit."""
    from_zero: bool = True
    """Whether its axis begins at zero."""

    def told(self, rows: Iterable[Row]) -> bool:
        """Whether any row has it."""
        return any(self.take(row) is not None for row in rows)


def _latency(field: str) -> Callable[[Row], Quantity | None]:
    return lambda row: getattr(row.latency, field) if row.latency else None


ACCURACY = RowFigure(
    "Accuracy", lambda row: row.accuracy, figures.accuracy, "%", scale=100, from_zero=False
)
ACCURACY_LOST = RowFigure("Accuracy lost", lambda row: row.accuracy_drop, figures.points)
AGREEMENT = RowFigure("Agrees with teacher", lambda row: row.agreement, figures.accuracy)
TEST_ACCURACY = RowFigure("Accuracy on test", lambda row: row.test_accuracy, figures.accuracy)
MEDIAN_LATENCY = RowFigure("Median latency", _latency("p50_ms"), figures.milliseconds, "ms")
LATENCY_P90 = RowFigure("90th percentile", _latency("p90_ms"), figures.milliseconds)
LATENCY_P95 = RowFigure("95th percentile", _latency("p95_ms"), figures.milliseconds)
SPEED_UP = RowFigure("Speed-up", _latency("speedup"), figures.factor)
SIZE = RowFigure("Size", lambda row: row.size_mb, figures.megabytes, "MB")
PEAK_MEMORY = RowFigure("Peak memory", lambda row: row.peak_memory_mb, figures.megabytes, "MB")
ENERGY = RowFigure("Energy", lambda row: row.energy_mj, figures.millijoules, "mJ")
MACS = RowFigure("MACs", lambda row: row.macs, figures.count)
PARAMETERS = RowFigure("Parameters", lambda row: row.parameters, figures.count)
INSTRUCTIONS = RowFigure("Instructions", lambda row: row.instructions, figures.count)
PARITY_ERROR = RowFigure("Parity error", lambda row: row.parity_error, figures.plain)


def bars_of(
    shown: RowFigure, named: Sequence[tuple[str, Row, bool]], *, name: str, what: str
) -> Plot | None:
    """One figure of several networks as a plot; None where none of them has it.

    Args:
        shown: The figure.
        named: Name, row and whether it ships, of each network.
        name: Of the plot, before the figure's own.
        what: What the networks are, for instance Step.
    """
    bars = [
        Bar(each, quantity, shown.write(quantity), ships)
        for each, row, ships in named
        if (quantity := shown.take(row)) is not None
    ]
    if not bars:
        return None
    told = "; ".join(f"{bar.name}: {bar.written}" for bar in bars)
    return Plot(
        f"{name}-{shown.title.lower().replace(' ', '-')}",
        f"{shown.title} ({shown.unit})",
        f"{shown.title} by {what.lower()}. {told}.",
        bars_plot(bars, unit=shown.unit, scale=shown.scale, from_zero=shown.from_zero, what=what),
    )
