"""A shape of the latency model as a file, with the evidence that it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from edgedistill.core.cost_shape import CostShape, ScaleSpreads
from edgedistill.core.fitted import FitError, IntervalFactors, Tier
from edgedistill.core.hardware import IsaLevel, Source
from edgedistill.core.strict import Strict

if TYPE_CHECKING:
    from collections.abc import Iterable


class ShapeDocument(Strict):
    """A shape as a file: parameters, where they hold, and the evidence that they rest on."""

    schema_version: Literal[1]
    """Version of this document's schema."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """What a profile calls it: the file's name without its suffix."""
    engine: str
    """The runtime: onnxruntime-cpu, ncnn, tflite, armnn."""
    precision: Literal["fp32", "fp16", "int8"]
    """What numbers are computed with."""
    isa_levels: tuple[IsaLevel, ...] = Field(strict=False, min_length=1)
    """Processors it holds for, by how they multiply int8."""
    bytes_per_element: float = Field(gt=0)
    """Bytes of a number."""
    shape: CostShape
    """The parameters."""
    efficiency: float = Field(gt=0)
    """Speed of a wide pointwise convolution on one thread as a part of the core's peak; the median
    of the devices measured. Peak: fp32 multiply-accumulates a second of one core."""
    core_efficiencies: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """The same by the core's name, for instance Cortex-A53, where its kind was measured."""
    spreads: ScaleSpreads
    """How far devices differ."""
    largest_overhead_fraction: float = Field(default=0.0, ge=0, le=1)
    """Largest part of a latency that the overhead of operators had among the measurements: nine of
    ten networks had less. Where a network has more, its interval is widened."""
    intervals: dict[Tier, IntervalFactors] = Field(min_length=1)
    """By tier, from residuals on families, and devices, that the fit had not seen."""
    errors: dict[Tier, FitError] = Field(default_factory=dict)
    """By tier, on the same residuals."""
    measurements: int = Field(ge=1)
    """How many measurements were used."""
    devices: tuple[str, ...] = Field(strict=False, min_length=1)
    """Which devices they were taken on."""
    threads: tuple[int, ...] = Field(default=(), strict=False)
    """The thread counts that were measured; one thread where none is named."""
    families: tuple[str, ...] = Field(strict=False, min_length=1)
    """Which families of networks were measured."""
    sources: tuple[Source, ...] = Field(strict=False, min_length=1)
    """Where the measurements stand: publication, reference, licence."""
    fitted_on: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    """The day of the fit, year-month-day."""

    def efficiency_of(self, core: str) -> float:
        """Part of its peak that a core reaches: its own kind's where measured, else the median."""
        return self.core_efficiencies.get(core, self.efficiency)


def shape_that_holds(
    documents: Iterable[ShapeDocument], engine: str, precision: str, isa_level: IsaLevel
) -> ShapeDocument | None:
    """The shape for a runtime, precision and processor; of several the best measured one."""
    fitting = [
        one
        for one in documents
        if (one.engine, one.precision) == (engine, precision) and isa_level in one.isa_levels
    ]
    return max(fitting, key=lambda one: (one.measurements, one.name), default=None)
