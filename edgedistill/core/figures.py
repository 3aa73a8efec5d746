"""What the gate judges: the figures of the model that ships to one target, and of a baseline.

Light records; a report in memory and a report file both become one (`figures_of`,
`core.figures_file`), so that there is one judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgedistill.core.figure import Figure
from edgedistill.core.limits import LIMITS, Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.baseline import Baseline
    from edgedistill.core.device_report import DeviceReport
    from edgedistill.core.evidence import Conditions
    from edgedistill.core.report import Report

CONDITIONS = (
    "device",
    "processor",
    "machine",
    "runtime",
    "provider",
    "threads",
    "operating_system",
)
"""What has to be alike for two stored measurements to be compared."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of one model on one target.

    Attributes:
        run: Which run made it.
        target: The profile's name.
        runtime: Which of the profile's runtimes.
        model: The file's name beside the report.
        model_sha256: Of the ONNX file.
        figures: Limit on the figure itself (as in `core.limits.LIMITS`) to the figure; what the
            report does not know is absent.
        stable: False where the machine was disturbed while latency was measured.
        conditions: Of the latency measurement, name to value; None where there was none.
        data_sha256: Of the data that accuracy was judged on; None where unknown.
        bounds: The limits that the report itself carries.
    """

    run: str
    target: str
    runtime: str
    model: str
    model_sha256: str
    figures: Mapping[str, Figure]
    stable: bool = True
    conditions: Mapping[str, object] | None = None
    data_sha256: str | None = None
    bounds: Bounds = field(default_factory=Bounds)

    def as_reference(self) -> Reference:
        """The same as what later models are held against."""
        return Reference(
            target=self.target,
            model_sha256=self.model_sha256,
            model=self.model,
            figures=self.figures,
            conditions=self.conditions,
            data_sha256=self.data_sha256,
        )

    def measured_on_device(self, report: DeviceReport) -> Figures:
        """With what a device says of the same model in place of what the run knows.

        Raises:
            ValueError: If the device report is of another model or target.
        """
        if (report.model_sha256, report.target) != (self.model_sha256, self.target):
            raise ValueError("the device report is of another model or target")
        found: dict[str, Figure] = {}
        for limit in LIMITS:
            whole = getattr(report, limit.place[0], None)
            figure = getattr(whole, limit.place[1], None) if limit.place[1:] else whole
            if figure is not None:
                found[limit.budget] = Figure.of(figure)
        latency = report.latency
        kept = {
            name: figure
            for name, figure in self.figures.items()
            # The percentiles of one measurement belong together.
            if latency is None or not name.startswith("latency_")
        }
        return replace(
            self,
            figures={**kept, **found},
            stable=self.stable if latency is None else latency.stable,
            conditions=self.conditions
            if latency is None and self.conditions is not None
            else conditions_of(report.conditions),
        )


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The figures of a baseline.

    Attributes:
        target: The profile's name.
        model_sha256: Of the ONNX file.
        model: The file's name beside the baseline; None where it is kept elsewhere.
        figures: As in `Figures`.
        conditions: As in `Figures`.
        data_sha256: As in `Figures`.
    """

    target: str
    model_sha256: str
    figures: Mapping[str, Figure]
    model: str | None = None
    conditions: Mapping[str, object] | None = None
    data_sha256: str | None = None


def figures_of(report: Report) -> Figures:
    """The figures of the model that a report ships."""
    row = report.shipped()
    found = {limit.budget: limit.figure(row) for limit in LIMITS}
    return Figures(
        run=report.run,
        target=report.target,
        runtime=report.runtime,
        model=report.choice.model,
        model_sha256=row.model_sha256 or "",
        figures={name: Figure.of(figure) for name, figure in found.items() if figure is not None},
        stable=row.latency is None or row.latency.stable,
        conditions=None if report.conditions is None else conditions_of(report.conditions),
        data_sha256=report.provenance.data_sha256,
        bounds=Bounds.of(report.budget),
    )


def reference_of(baseline: Baseline) -> Reference:
    """The figures of a baseline document."""
    return Reference(
        target=baseline.target,
        model=baseline.model,
        model_sha256=baseline.model_sha256,
        figures={name: Figure.of(figure) for name, figure in baseline.figures.items()},
        conditions=None if baseline.conditions is None else conditions_of(baseline.conditions),
        data_sha256=baseline.data_sha256,
    )


def conditions_of(conditions: Conditions) -> dict[str, object]:
    """The conditions that have to be alike."""
    return {name: getattr(conditions, name) for name in CONDITIONS}
