"""From a user's measurements of one runtime and precision to a fitted cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.app.latency import Question, latency_of
from edgedistill.core.basis import (
    MACHINE,
    NoBasis,
    Scaled,
    data_sheet_scale,
    parts_of,
    runtime_named,
)
from edgedistill.core.cost_shape import CostScale
from edgedistill.core.engine import engine_of, runs_on_processor, who_decides
from edgedistill.core.fitted import FittedCost
from edgedistill.core.shape_document import shape_that_holds
from edgedistill.cost.fitting import Measurement
from edgedistill.cost.refit import Evidence, refined, refit, rescaled_linear
from edgedistill.cost.roofline import Columns, latency_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.app.own_measurements import OwnMeasurement
    from edgedistill.core.profile import Precision, TargetProfile
    from edgedistill.core.shape_document import ShapeDocument
    from edgedistill.cost.operators import Operator

_LEAST_LEFT = 0.2
"""Part of a latency that at least belongs to operators in the network's own precision."""
_ROUNDS = 8


@dataclass(frozen=True, kw_only=True)
class Group:
    """The measurements of one runtime and precision, each with the operators of its network."""

    profile: TargetProfile
    runtime: str
    precision: Precision
    measured: tuple[tuple[OwnMeasurement, tuple[Operator, ...]], ...]


def refitted(
    group: Group, shapes: Sequence[ShapeDocument], source: str, day: str
) -> FittedCost | NoBasis:
    """The fitted cost that the measurements lead to, or why there is none.

    Args:
        group: The measurements.
        shapes: All shapes there are.
        source: Where the measurements stand.
        day: Of the fit, year-month-day.
    """
    runtime = runtime_named(group.profile, group.runtime)
    present = runtime.cost.get(group.precision)
    sources = tuple(dict.fromkeys([source, *(present.sources if present else ())]))
    evidence = Evidence(sources=sources, fitted_on=day)
    if present is not None and present.linear is not None:
        return _rescaled(group, present, shapes, evidence)
    found = _document(group, shapes)
    if isinstance(found, NoBasis):
        return found
    known = group.profile.machine == MACHINE and group.profile.isa_level in found.isa_levels
    before = present.scale if present else data_sheet_scale(group.profile, found)
    measurements = _own_parts(group, found, before, shapes)
    if isinstance(measurements, NoBasis):
        return measurements
    return refit(measurements, found, present=before, known_processor=known, evidence=evidence)


def _rescaled(
    group: Group, present: FittedCost, shapes: Sequence[ShapeDocument], evidence: Evidence
) -> FittedCost | NoBasis:
    """A linear unit, slower or faster as a whole: its parts are more than few networks can tell."""
    ratios: list[float] = []
    for one, operators in group.measured:
        said = latency_of(
            Question(group.profile, group.runtime, group.precision, one.threads), operators, shapes
        )
        if isinstance(said, NoBasis):
            return said
        ratios.append(one.latency_ms / said.latency_ms.value)
    assert present.linear is not None
    return FittedCost(
        linear=rescaled_linear(present.linear, ratios),
        measurements=len(ratios),
        families=len({one.family for one, _ in group.measured}),
        sources=evidence.sources,
        fitted_on=evidence.fitted_on,
        interval=present.interval,
        tier="few-measurements",
    )


def _document(group: Group, shapes: Sequence[ShapeDocument]) -> ShapeDocument | NoBasis:
    """The shape that the profile names, else the one for such a runtime and processor."""
    runtime = runtime_named(group.profile, group.runtime)
    present = runtime.cost.get(group.precision)
    if present is not None:
        found = next((one for one in shapes if one.name == present.shape), None)
        return found or NoBasis(f"the profile names the shape '{present.shape}', not known here")
    engine = engine_of(runtime)
    if engine is None:
        return NoBasis(f"{who_decides(runtime)} decides what runs where and how")
    found = None
    if runs_on_processor(engine):
        found = shape_that_holds(shapes, engine, group.precision, group.profile.isa_level)
    return found or NoBasis(f"there is no shape for {engine} in {group.precision}")


def _own_parts(
    group: Group,
    document: ShapeDocument,
    before: CostScale | None,
    shapes: Sequence[ShapeDocument],
) -> list[Measurement] | NoBasis:
    """The measurements of what runs in the network's own precision.

    The time of operators with another precision is estimated and taken off. Where it follows from
    the same scale, scale and remainder are found in turns, from a first guess at the whole.
    """
    asked = _Parts(group, document, shapes)
    lacking = asked.lacking()
    if lacking is not None:
        return lacking
    scale = asked.first_guess(before or CostScale(macs_per_s=1e9))
    for _ in range(_ROUNDS if asked.mixed else 1):
        measurements = asked.remaining(scale)
        scale = refined(measurements, document, scale) if asked.mixed else scale
    return measurements


class _Parts:
    """The networks of a group, cut by precision."""

    def __init__(
        self, group: Group, document: ShapeDocument, shapes: Sequence[ShapeDocument]
    ) -> None:
        self.group = group
        self.document = document
        self.shapes = shapes
        self.precisions = sorted(
            {
                one.precision or group.precision
                for _, operators in group.measured
                for one in operators
            }
        )

    @property
    def mixed(self) -> bool:
        return self.precisions != [self.group.precision]

    def lacking(self) -> NoBasis | None:
        """Why operators of another precision, or of none, stand in the way."""
        if self.group.precision not in self.precisions:
            return NoBasis(f"nothing in the network runs in {self.group.precision}")
        parts = self._parts(CostScale(macs_per_s=1.0))
        return parts if isinstance(parts, NoBasis) else None

    def _parts(self, scale: CostScale) -> dict[Precision, Scaled] | NoBasis:
        own = Scaled(document=self.document, scale=scale)
        group = self.group
        return parts_of(group.profile, group.runtime, own, self.precisions, self.shapes)

    def seconds(self, scale: CostScale) -> list[dict[Precision, float]]:
        """Of each measurement, what its operators of each precision take."""
        parts = self._parts(scale)
        assert not isinstance(parts, NoBasis)
        return [
            {
                precision: latency_s(
                    Columns.of(self._of(operators, precision)),
                    part.document.shape,
                    part.scale,
                    bytes_per_element=part.document.bytes_per_element,
                    threads=one.threads,
                )
                for precision, part in parts.items()
            }
            for one, operators in self.group.measured
        ]

    def first_guess(self, scale: CostScale) -> CostScale:
        """The scale at which whole networks take as long as was measured, at the median."""
        ratios = [
            sum(told.values()) / (one.latency_ms / 1e3)
            for told, (one, _) in zip(self.seconds(scale), self.group.measured, strict=True)
        ]
        factor = float(np.exp(np.median(np.log(ratios))))
        return scale.model_copy(update={"macs_per_s": scale.macs_per_s * factor})

    def remaining(self, scale: CostScale) -> list[Measurement]:
        """The measurements without the time of operators in another precision."""
        own = self.group.precision
        found = []
        for told, (one, operators) in zip(self.seconds(scale), self.group.measured, strict=True):
            measured_s = one.latency_ms / 1e3
            others_s = sum(value for name, value in told.items() if name != own)
            found.append(
                Measurement(
                    device=self.group.profile.name,
                    family=one.family,
                    network=one.name,
                    columns=Columns.of(self._of(operators, own)),
                    latency_s=max(measured_s - others_s, _LEAST_LEFT * measured_s),
                    threads=one.threads,
                )
            )
        return found

    def _of(self, operators: Sequence[Operator], precision: Precision) -> list[Operator]:
        own = self.group.precision
        return [one for one in operators if (one.precision or own) == precision]
