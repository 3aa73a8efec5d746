"""Every figure of a model that its card and its bill of materials tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.render import figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Row


@dataclass(frozen=True)
class ModelQuantity:
    """A figure, what it is called, and how it is written for a person."""

    key: str
    """For machines, with the unit."""
    title: str
    figure: Quantity | None
    """Absent where it is not known."""
    form: Callable[[Quantity | None], str]


def model_quantities(row: Row) -> tuple[ModelQuantity, ...]:
    """The figures of a row, always the same ones in the same order."""
    latency = row.latency
    p50_ms, p95_ms = (latency.p50_ms, latency.p95_ms) if latency else (None, None)
    accuracy, points, ms = figures.accuracy, figures.points, figures.milliseconds
    mb, mj, count = figures.megabytes, figures.millijoules, figures.count
    return tuple(
        ModelQuantity(*each)
        for each in (
            ("validation_accuracy", "Accuracy on validation", row.accuracy, accuracy),
            ("test_accuracy", "Accuracy on test", row.test_accuracy, accuracy),
            ("accuracy_drop", "Accuracy lost against the teacher", row.accuracy_drop, points),
            ("agreement", "Answers as the teacher does", row.agreement, accuracy),
            ("latency_p50_ms", "Median latency", p50_ms, ms),
            ("latency_p95_ms", "95th percentile of latency", p95_ms, ms),
            ("peak_memory_mb", "Peak memory", row.peak_memory_mb, mb),
            ("energy_mj", "Energy of one inference", row.energy_mj, mj),
            ("size_mb", "Size of the file", row.size_mb, mb),
            ("macs", "Multiply-accumulates", row.macs, count),
            ("parameters", "Parameters", row.parameters, count),
        )
    )
