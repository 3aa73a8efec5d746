"""What a device says of one ONNX file, written where the device is and judged elsewhere."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from edgedistill.core.baseline import Sha256
from edgedistill.core.evidence import Conditions, Evidence, Quantity
from edgedistill.core.opening import OpenedWith
from edgedistill.core.relative_latency import RelativeLatency
from edgedistill.core.report import Latency
from edgedistill.core.strict import Strict


class DeviceReport(Strict):
    """Figures of one ONNX file, all measured on the device itself.

    A runner beside a device farm writes it (`edgedistill benchmark --device-report`), and a server
    without devices judges it: what binds it to a run is the hash of the model.
    """

    schema_version: Literal[1]
    kind: Literal["edgedistill-device-report"]
    target: str
    """The profile's name; the conditions are of this device."""
    model_sha256: Sha256
    """Of the ONNX file as it lay on the device."""
    inputs: Literal["synthetic", "real"]
    """What the model ran on; synthetic: random values in the shapes of the graph's inputs."""
    conditions: Conditions
    session: OpenedWith | None = None
    """What its session was opened with; absent in reports made before this was told."""
    latency: Latency | None = None
    """Without a speed-up: there is no second model. Absent where it was not measured."""
    peak_memory_mb: Quantity | None = None
    """What one inference adds to the memory of a process (10^6 bytes)."""
    energy_mj: Quantity | None = None
    """Energy of one inference in millijoules, by a meter."""
    instructions: Quantity | None = None
    """Instructions that the processor retired for one inference."""
    relative: RelativeLatency | None = None
    """How its latency stands to a baseline's that was run beside it; absent where none was."""
    versions: dict[str, str]
    """Package to version, of what measured."""

    @property
    def figures(self) -> dict[str, Quantity]:
        """Every figure it holds, by name."""
        named: dict[str, Quantity | None] = {
            "peak_memory_mb": self.peak_memory_mb,
            "energy_mj": self.energy_mj,
            "instructions": self.instructions,
        }
        if self.latency is not None:
            named["latency.p50_ms"] = self.latency.p50_ms
            named["latency.p90_ms"] = self.latency.p90_ms
            named["latency.p95_ms"] = self.latency.p95_ms
        return {name: figure for name, figure in named.items() if figure is not None}

    @model_validator(mode="after")
    def _measured_on_its_device(self) -> Self:
        if not self.figures:
            raise ValueError("holds no figure. Measure again")
        for name, figure in self.figures.items():
            if figure.evidence is not Evidence.MEASURED_ON_DEVICE:
                raise ValueError(
                    f"{name} is {figure.evidence}. A device report holds only what was measured on "
                    "the device itself"
                )
        if self.conditions.device != self.target:
            raise ValueError(
                f"the conditions are of '{self.conditions.device}', not of '{self.target}'. "
                "Measure on the target"
            )
        if self.latency is not None and self.latency.speedup is not None:
            raise ValueError("latency.speedup has no second model here. Leave it out")
        relative = self.relative
        if relative is not None and (
            relative.model_sha256 != self.model_sha256
            or relative.conditions not in (None, self.conditions)
        ):
            raise ValueError(
                "relative is of another model or other conditions than the report. Measure again"
            )
        return self
