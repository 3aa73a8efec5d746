"""What each budget limits: which figure of the report, on which side, and what may stand for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgedistill.core.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Row

Kind = Literal["latency", "accuracy", "size", "memory", "energy"]

ACCEPTED: dict[Kind, frozenset[Evidence]] = {
    # A stand-in's and an emulator's milliseconds say nothing about the device.
    "latency": frozenset({Evidence.MEASURED_ON_DEVICE}),
    # What a network answers hardly depends on the machine; that it is no estimate is asked for.
    "accuracy": frozenset(
        {Evidence.MEASURED_ON_DEVICE, Evidence.MEASURED_ON_STAND_IN, Evidence.EMULATED}
    ),
    "size": frozenset(
        {Evidence.COUNTED, Evidence.MEASURED_ON_DEVICE, Evidence.MEASURED_ON_STAND_IN}
    ),
    "memory": frozenset({Evidence.MEASURED_ON_DEVICE}),
    "energy": frozenset({Evidence.MEASURED_ON_DEVICE}),
}
"""By which evidence a figure of a kind may be judged."""

ESTIMABLE: frozenset[Kind] = frozenset({"latency", "memory", "energy"})
"""Kinds for which a budget may accept an estimate as well."""


@dataclass(frozen=True)
class Limit:
    """One field of the budget and the figure it is held against."""

    budget: str
    """The budget's field."""
    title: str
    """What is limited, for a person."""
    kind: Kind
    side: Literal["at most", "at least"]
    unit: str
    """ms, MB, or % for a fraction written in percent."""
    figure: Callable[[Row], Quantity | None]
    settle: str
    """What to do where the report has no such figure."""


PROVE: dict[Kind, str] = {
    "latency": "Measure on the device itself (stage benchmark)",
    "accuracy": "Evaluate the model on labelled validation samples",
    "size": "Give the model file's own size",
    "memory": "Measure the process on the device itself",
    "energy": "Measure on the device itself, with a meter",
}
"""What to do where the evidence for a figure of a kind is not enough."""

_MORE_RUNS = "Take more runs in stage benchmark (rounds, runs_per_round)"
_COMPARE = "Judge a model that was compared with its teacher on labelled validation samples"

LIMITS: tuple[Limit, ...] = (
    Limit(
        budget="latency_p50_ms",
        title="median latency",
        kind="latency",
        side="at most",
        unit="ms",
        figure=lambda row: row.latency.p50_ms if row.latency else None,
        settle=_MORE_RUNS,
    ),
    Limit(
        budget="latency_p90_ms",
        title="90th percentile of latency",
        kind="latency",
        side="at most",
        unit="ms",
        figure=lambda row: row.latency.p90_ms if row.latency else None,
        settle=_MORE_RUNS,
    ),
    Limit(
        budget="latency_p95_ms",
        title="95th percentile of latency",
        kind="latency",
        side="at most",
        unit="ms",
        figure=lambda row: row.latency.p95_ms if row.latency else None,
        settle=_MORE_RUNS,
    ),
    Limit(
        budget="min_accuracy",
        title="accuracy",
        kind="accuracy",
        side="at least",
        unit="%",
        figure=lambda row: row.accuracy,
        settle=PROVE["accuracy"],
    ),
    Limit(
        budget="max_accuracy_drop",
        title="accuracy lost against the teacher",
        kind="accuracy",
        side="at most",
        unit="%",
        figure=lambda row: row.accuracy_drop,
        settle=_COMPARE,
    ),
    Limit(
        budget="max_worst_class_drop",
        title="accuracy lost by the worst class",
        kind="accuracy",
        side="at most",
        unit="%",
        figure=lambda row: row.worst_class.drop if row.worst_class else None,
        settle=_COMPARE,
    ),
    Limit(
        budget="max_worst_group_drop",
        title="accuracy lost by the worst group",
        kind="accuracy",
        side="at most",
        unit="%",
        figure=lambda row: row.worst_group.drop if row.worst_group else None,
        settle="Give the data group labels",
    ),
    Limit(
        budget="max_size_mb",
        title="size of the model file",
        kind="size",
        side="at most",
        unit="MB",
        figure=lambda row: row.size_mb,
        settle=PROVE["size"],
    ),
    Limit(
        budget="max_peak_memory_mb",
        title="memory that one inference adds",
        kind="memory",
        side="at most",
        unit="MB",
        figure=lambda row: row.peak_memory_mb,
        settle=PROVE["memory"],
    ),
    Limit(
        budget="max_energy_mj",
        title="energy of one inference",
        kind="energy",
        side="at most",
        unit="mJ",
        figure=lambda row: row.energy_mj,
        settle="Give the profile power figures, and measure the latency or accept an estimate",
    ),
)
"""In the order in which a verdict lists them."""
