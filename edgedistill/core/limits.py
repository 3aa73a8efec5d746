"""Every limit that a budget may set: what it limits, in which unit, and where the figure stands.

Standard library only: the gate reads this where it has no time to load the strict documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from edgedistill.core.budget import Budget
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.report import Row

Kind = Literal[
    "latency", "accuracy", "size", "memory", "energy", "instructions", "coverage", "parity"
]
Form = Literal["value", "ratio", "fall", "rise"]
"""What is held against the limit: the figure itself; the figure over the baseline's; by how much it
is below the baseline's; by how much it is above."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One field of the budget and the figure it is held against."""

    budget: str
    """The budget's field."""
    title: str
    """What is limited, for a person."""
    kind: Kind
    side: Literal["at most", "at least"] = "at most"
    unit: str
    """ms, MB, mJ, instructions, x for a ratio, or % for a fraction written in percent."""
    place: tuple[str, ...]
    """Where the figure stands in a row of the report."""
    settle: str
    """What to do where the report has no such figure."""
    of: str
    """The limit on the same figure itself; its own name where it is that."""
    form: Form = "value"

    @property
    def scale(self) -> int:
        """What a number is multiplied by to be written in the unit."""
        return 100 if self.unit == "%" else 1

    def range_fault(self, number: float) -> tuple[str, str] | None:
        """What is wrong with a number as this limit and what to give instead; None if nothing."""
        if self.unit == "%":
            if 0 <= number <= 1:
                return None
            return "is not between 0 and 1", 'Give a fraction, or a percentage such as "2 %"'
        if 0 < number < float("inf"):
            return None
        return "is not above 0", f"Give a number of {self.unit} above 0"

    def figure(self, row: Row) -> Quantity | None:
        """The figure in a row of a report; None where the row has none."""
        from edgedistill.core.evidence import counted

        found: Any = place_in(row, self.place)
        if self.budget == INT8_SHARE:
            found = int8_share(row.precision, found)
        return counted(found, INT8_METHOD) if isinstance(found, float) else found


INT8_SHARE = "min_int8_share"
INT8_METHOD = "multiply-accumulates of heavy operators in int8 over all of them, in the graph"


def int8_share(precision: object, share: float | None) -> float | None:
    """The share of the work that is in int8: none in a network of another precision."""
    return share if precision == "int8" else 0.0


def place_in(whole: object, place: tuple[str, ...]) -> object:
    """What stands at a place of a document, read or parsed; None where a part of it is absent."""
    for name in place:
        if whole is None:
            return None
        whole = whole.get(name) if isinstance(whole, Mapping) else getattr(whole, name)
    return whole


_MORE_RUNS = "Take more runs in stage benchmark (rounds, runs_per_round)"
_EVALUATE = "Evaluate the model on labelled validation samples"
_COMPARE = "Judge a model that was compared with its teacher on labelled validation samples"
_BASELINE = "Make the baseline and the report again with figures of both"


def _value(budget: str, **rest: Any) -> Limit:
    return Limit(budget=budget, of=budget, **rest)


LIMITS: tuple[Limit, ...] = (
    _value(
        "latency_p50_ms",
        title="median latency",
        kind="latency",
        unit="ms",
        place=("latency", "p50_ms"),
        settle=_MORE_RUNS,
    ),
    _value(
        "latency_p90_ms",
        title="90th percentile of latency",
        kind="latency",
        unit="ms",
        place=("latency", "p90_ms"),
        settle=_MORE_RUNS,
    ),
    _value(
        "latency_p95_ms",
        title="95th percentile of latency",
        kind="latency",
        unit="ms",
        place=("latency", "p95_ms"),
        settle=_MORE_RUNS,
    ),
    _value(
        "min_accuracy",
        title="accuracy",
        kind="accuracy",
        side="at least",
        unit="%",
        place=("accuracy",),
        settle=_EVALUATE,
    ),
    _value(
        "max_accuracy_drop",
        title="accuracy lost against the teacher",
        kind="accuracy",
        unit="%",
        place=("accuracy_drop",),
        settle=_COMPARE,
    ),
    _value(
        "max_worst_class_drop",
        title="accuracy lost by the worst class",
        kind="accuracy",
        unit="%",
        place=("worst_class", "drop"),
        settle=_COMPARE,
    ),
    _value(
        "max_worst_group_drop",
        title="accuracy lost by the worst group",
        kind="accuracy",
        unit="%",
        place=("worst_group", "drop"),
        settle="Give the data group labels",
    ),
    _value(
        "max_size_mb",
        title="size of the model file",
        kind="size",
        unit="MB",
        place=("size_mb",),
        settle="Give the model file's own size",
    ),
    _value(
        "max_peak_memory_mb",
        title="memory that one inference adds",
        kind="memory",
        unit="MB",
        place=("peak_memory_mb",),
        settle="Measure the process on the device itself",
    ),
    _value(
        "max_energy_mj",
        title="energy of one inference",
        kind="energy",
        unit="mJ",
        place=("energy_mj",),
        settle="Give the profile power figures, and measure the latency or accept an estimate",
    ),
    _value(
        "max_instructions",
        title="instructions of one inference",
        kind="instructions",
        unit="instructions",
        place=("instructions",),
        settle="Count them on the device and give its report (--device-report)",
    ),
    _value(
        INT8_SHARE,
        title="share of the work that the file has in int8",
        kind="coverage",
        side="at least",
        unit="%",
        place=("int8", "int8_mac_share"),
        settle="Give the model inputs of fixed shapes, so that its work can be counted",
    ),
    _value(
        "max_parity_error",
        title="difference between the network and its exported file",
        kind="parity",
        unit="x",
        place=("parity_error",),
        settle="Run compress again: the export stage proves it on real inputs",
    ),
)
"""In the order in which a verdict lists them. Each is on a figure of its own."""


@dataclass(frozen=True)
class _Relation:
    budget: str
    of: str
    form: Form


_RELATIONS = (
    _Relation("max_latency_p50_ratio", "latency_p50_ms", "ratio"),
    _Relation("max_latency_p90_ratio", "latency_p90_ms", "ratio"),
    _Relation("max_latency_p95_ratio", "latency_p95_ms", "ratio"),
    _Relation("max_accuracy_drop_from_baseline", "min_accuracy", "fall"),
    _Relation("max_accuracy_drop_rise", "max_accuracy_drop", "rise"),
    _Relation("max_worst_class_drop_rise", "max_worst_class_drop", "rise"),
    _Relation("max_worst_group_drop_rise", "max_worst_group_drop", "rise"),
    _Relation("max_size_ratio", "max_size_mb", "ratio"),
    _Relation("max_peak_memory_ratio", "max_peak_memory_mb", "ratio"),
    _Relation("max_energy_ratio", "max_energy_mj", "ratio"),
    _Relation("max_instructions_ratio", "max_instructions", "ratio"),
    _Relation("max_int8_share_fall", INT8_SHARE, "fall"),
    _Relation("max_parity_error_ratio", "max_parity_error", "ratio"),
)
_FORMS: dict[Form, str] = {
    "ratio": "{} over the baseline's",
    "fall": "{} lost against the baseline",
    "rise": "{} above the baseline's",
}
_BY_NAME = {limit.budget: limit for limit in LIMITS}

RELATIVE: tuple[Limit, ...] = tuple(
    Limit(
        budget=one.budget,
        title=_FORMS[one.form].format(_BY_NAME[one.of].title),
        kind=_BY_NAME[one.of].kind,
        unit="x" if one.form == "ratio" else "%",
        place=_BY_NAME[one.of].place,
        settle=_BASELINE,
        of=one.of,
        form=one.form,
    )
    for one in _RELATIONS
)
"""Limits against a baseline, in the order in which a verdict lists them."""

EVERY = {limit.budget: limit for limit in (*LIMITS, *RELATIVE)}
"""Budget field to its limit."""


@dataclass(frozen=True)
class Bounds:
    """The limits that are set on one target, as the gate reads them."""

    limits: Mapping[str, float] = field(default_factory=dict)
    """Budget field to bound, in the order of `EVERY`; what is absent is not judged."""
    evidence: Literal["measured", "estimated"] = "measured"
    """Whether latency, memory and energy want a measurement, or an estimate is enough."""
    warn: frozenset[str] = frozenset()
    """Budget fields that are a warning where they cannot be judged, instead of an UNJUDGED gate."""

    @classmethod
    def of(cls, budget: Budget | Bounds) -> Bounds:
        """The same as a light record; what is one already stays."""
        if isinstance(budget, Bounds):
            return budget
        limits = {name: getattr(budget, name) for name in EVERY}
        return cls(
            {name: bound for name, bound in limits.items() if bound is not None}, budget.evidence
        )
