"""Refines the scale of one device with measurements that its owner took.

One measurement rescales the speed. More of them also move the device's factors (traffic, overhead,
activation, depthwise, 3x3), as far as the shape's spreads and the data allow: the fit is that of
`fitting.py` with the shape held still, and the priors of the factors lie where the device's present
factors are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.cost_shape import CostScale, LinearScale
from edgedistill.core.fitted import FittedCost, IntervalFactors
from edgedistill.core.operator_kind import Kind
from edgedistill.cost.accuracy import fit_error, interval_of_device
from edgedistill.cost.fit_problem import FACTORS, FRACTIONS, NUMBERS, TABLES
from edgedistill.cost.fitting import Fitted, Measurement, Prior, Priors, fit, scale_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgedistill.core.cost_shape import CostShape
    from edgedistill.core.fitted import Tier
    from edgedistill.core.shape_document import ShapeDocument

    Floats = NDArray[np.float64]

MEASURED_FROM = 20
"""From this many measurements on, of `FAMILIES_FROM` families at least, a device is `measured`."""
FAMILIES_FROM = 3
_LEAST_FOLDS = 3


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a fitted cost says of where it came from."""

    sources: tuple[str, ...]
    fitted_on: str
    """Year-month-day."""


def refit(
    measurements: Sequence[Measurement],
    document: ShapeDocument,
    *,
    present: CostScale | None,
    known_processor: bool,
    evidence: Evidence,
) -> FittedCost:
    """The cost block that the measurements of one device lead to.

    Args:
        measurements: At least one, all of one device and precision.
        document: The shape, which stays as it is.
        present: The scale that the device had before; None where nothing was known of it.
        known_processor: Whether the shape was fitted to such processors; if not, intervals are as
            wide as for a device that is known by its data sheet alone.
        evidence: Where the measurements came from.
    """
    weighted = _weighted(measurements)
    scale = refined(weighted, document, present)
    families = {one.family for one in weighted}
    told, baseline = _left_out(weighted, document, present)
    measured = np.array([one.latency_s for one in weighted])
    many = len(weighted) >= MEASURED_FROM and len(families) >= FAMILIES_FROM
    residuals = None if told is None else np.log(told / measured)
    return FittedCost(
        shape=document.name,
        scale=scale,
        measurements=len(weighted),
        families=len(families),
        threads=tuple(sorted({one.threads for one in weighted})),
        sources=evidence.sources,
        fitted_on=evidence.fitted_on,
        error=None if told is None else fit_error(told, measured, baseline),
        interval=_interval(residuals, document, known_processor, many=many),
        tier="measured" if many else "few-measurements",
    )


def refined(
    measurements: Sequence[Measurement], document: ShapeDocument, present: CostScale | None
) -> CostScale:
    """The scale of the device, from all its measurements.

    Args:
        measurements: At least one, all of one device and precision.
        document: The shape.
        present: The scale before; its factors are the priors' middle.
    """
    start = present or CostScale(macs_per_s=1.0)
    if len(measurements) == 1:
        held = Fitted(shape=document.shape, scales={}, bytes_per_element=document.bytes_per_element)
        return scale_from(held, measurements, like=start)
    folded = _with_factors(document.shape, start)
    found = fit(
        measurements,
        _still(folded, document),
        bytes_per_element=document.bytes_per_element,
    )
    (moved,) = found.scales.values()
    factors = {name: getattr(start, name) * getattr(moved, name) for name in FACTORS}
    return CostScale(macs_per_s=moved.macs_per_s, **factors)


def rescaled_linear(linear: LinearScale, ratios: Sequence[float]) -> LinearScale:
    """A linear unit that is slower or faster as a whole, by the median of the ratios.

    Args:
        linear: As it was.
        ratios: Measured over estimated latency, of each measurement.
    """
    factor = float(np.exp(np.median(np.log(ratios))))
    return LinearScale(
        start_ms=linear.start_ms * factor,
        operator_us=linear.operator_us * factor,
        macs_per_s=linear.macs_per_s / factor,
        bytes_per_s=linear.bytes_per_s / factor,
    )


def _weighted(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Repetitions of one measurement together count as one."""
    keys = [(one.network, one.threads) for one in measurements]
    return [
        replace(one, weight=1.0 / keys.count(key))
        for one, key in zip(measurements, keys, strict=True)
    ]


def _with_factors(shape: CostShape, scale: CostScale) -> CostShape:
    """The shape with a device's factors worked into it, so that its own are 1."""
    rates = {
        Kind.DEPTHWISE: shape.rates.get(Kind.DEPTHWISE, 1.0) * scale.depthwise,
        Kind.CONV_3X3: shape.rates.get(Kind.CONV_3X3, 1.0) * scale.conv_3x3,
    }
    return shape.model_copy(
        update={
            "rates": {**shape.rates, **rates},
            "element_macs": {
                kind: macs * scale.activation for kind, macs in shape.element_macs.items()
            },
            "byte_macs": shape.byte_macs * scale.traffic,
            "uncached_byte_macs": shape.uncached_byte_macs * scale.traffic,
            "overhead_macs": shape.overhead_macs * scale.overhead,
        }
    )


def _still(shape: CostShape, document: ShapeDocument) -> Priors:
    """Priors that hold the shape where it is and let the device's factors move."""
    tables = {
        name: {kind: Prior(value, 0.0) for kind, value in getattr(shape, name).items()}
        for name in TABLES
    }
    numbers = {name: Prior(getattr(shape, name), 0.0) for name in {*NUMBERS, *FRACTIONS}}
    return Priors(
        **tables,  # type: ignore[arg-type]  # the fields of Priors by their names
        **numbers,  # type: ignore[arg-type]
        column_blocks=shape.column_blocks,
        lanes=shape.lanes,
        tile_side=shape.tile_side,
        tile_channels=shape.tile_channels,
        cache_bytes=shape.cache_bytes,
        spreads=document.spreads,
    )


def _left_out(
    measurements: Sequence[Measurement], document: ShapeDocument, present: CostScale | None
) -> tuple[Floats | None, Floats]:
    """What is said of each measurement by a fit without its family, [measurements], seconds.

    Where there are too few families networks are left out instead, and where there are too few of
    those nothing is said. Beside it what MACs times a constant say.
    """
    folds = [one.family for one in measurements]
    if len(set(folds)) < FAMILIES_FROM:
        folds = [one.network for one in measurements]
    told, baseline = np.zeros(len(folds)), np.zeros(len(folds))
    if len(set(folds)) < _LEAST_FOLDS:
        return None, baseline
    for fold in sorted(set(folds)):
        known = [one for one, own in zip(measurements, folds, strict=True) if own != fold]
        scale = refined(known, document, present)
        held = Fitted(
            shape=document.shape,
            scales={"": scale},
            bytes_per_element=document.bytes_per_element,
        )
        rate = float(np.median([one.latency_s / max(one.columns.macs.sum(), 1) for one in known]))
        for place, one in enumerate(measurements):
            if folds[place] == fold:
                told[place] = held.latency_s(one.columns, "", threads=one.threads)
                baseline[place] = rate * max(one.columns.macs.sum(), 1)
    return told, baseline


def _interval(
    residuals: Floats | None, document: ShapeDocument, known_processor: bool, *, many: bool
) -> IntervalFactors:
    """From the residuals where there are many, else the tier's, and never less than what was seen.

    Args:
        residuals: log(estimate / measurement) of what was left out, [measurements].
        document: Holds the intervals of the tiers.
        known_processor: Whether the shape was fitted to such processors.
        many: Whether the residuals are enough to stand alone.
    """
    own = None if residuals is None else interval_of_device(residuals)
    if many and own is not None:
        return own
    borrowed = _borrowed(document, known_processor)
    if own is None:
        return borrowed
    return IntervalFactors(
        low=min(borrowed.low, own.low),
        high=max(borrowed.high, own.high),
        confidence=borrowed.confidence,
    )


def _borrowed(document: ShapeDocument, known_processor: bool) -> IntervalFactors:
    """The interval of the tier, or twice that of a better one where the shape has no such tier."""
    fitting: tuple[Tier, ...] = ("few-measurements", "pooled", "data-sheet")
    if not known_processor:
        fitting = ("data-sheet",)
    better: tuple[Tier, ...] = ("few-measurements", "measured")
    tier = next((name for name in fitting if name in document.intervals), None)
    if tier is not None:
        return document.intervals[tier]
    known = [name for name in better if name in document.intervals] or [*document.intervals]
    narrow = document.intervals[known[0]]
    return IntervalFactors(low=narrow.low**2, high=narrow.high**2, confidence=narrow.confidence)
