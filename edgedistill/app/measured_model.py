"""Everything that a measurement on a device says of one ONNX file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill import tasks
from edgedistill.app.predictions import SplitPredictions, read_evaluation
from edgedistill.app.reach import transport
from edgedistill.bench.instructions import instructions
from edgedistill.bench.latency import latency
from edgedistill.bench.memory import MeasuringMemory
from edgedistill.bench.opening import opened_with
from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.opening import OpenedWith
from edgedistill.core.report import Latency
from edgedistill.core.strict import Strict
from edgedistill.errors import DeviceError

if TYPE_CHECKING:
    from edgedistill.bench.measure import Measuring
    from edgedistill.bench.samples import Samples
    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset


class MeasuredModel(Strict):
    """Figures of one ONNX file."""

    file: str
    sha256: str
    session: OpenedWith
    """What its session was opened with."""
    latency: Latency
    """Its speed-up is against the first model."""
    accuracy: Quantity | None
    """On the validation split of the recipe's data; absent without a recipe."""
    instructions: Quantity | None = None
    """Instructions that one inference retires; absent where nobody counts them."""
    peak_memory_mb: Quantity | None = None
    """What one inference adds to the memory of a process (10^6 bytes); absent unless asked for."""


@dataclass(frozen=True)
class Measurement:
    """A finished measurement of latencies, and what else is asked of each of its models."""

    measuring: Measuring
    samples: Samples
    dataset: Dataset | None
    context: StageContext
    memory: bool

    def figures(self, name: str, file: Path) -> MeasuredModel:
        """Everything about one model.

        Args:
            name: What it is called in the measurement.
            file: The model.
        """
        on_device = Evidence.MEASURED_ON_DEVICE
        first = self.measuring.candidates[0].name
        return MeasuredModel(
            file=str(file),
            sha256=self.samples.sha256[name],
            session=opened_with(self.measuring.runtime, file),
            latency=latency(self.samples, name, reference=first, evidence=on_device),
            accuracy=self._accuracy(file),
            instructions=instructions(self.samples, name, evidence=on_device),
            peak_memory_mb=self._peak_memory(file) if self.memory else None,
        )

    def _peak_memory(self, file: Path) -> Quantity:
        """On the device, under the conditions of the latencies."""
        like, samples = self.measuring, self.samples
        measured = MeasuringMemory(
            model=file,
            inputs=like.inputs,
            transport=transport(),
            device=like.device,
            runtime=like.runtime,
        ).run(self._own_context())
        if measured.conditions != samples.conditions:
            raise DeviceError(
                f"{like.device}: the conditions changed while measuring, from "
                f"{samples.conditions} to {measured.conditions}. Measure again"
            )
        return measured.peak_mb()

    def _accuracy(self, file: Path) -> Quantity | None:
        if self.dataset is None:
            return None
        context = self._own_context()
        SplitPredictions(
            model=file,
            dataset=self.dataset,
            device=self.measuring.device,
            runtime=self.measuring.runtime,
        ).run(context)
        evaluation = read_evaluation(context.folder, "validation", self.dataset)
        return tasks.accuracy(evaluation, evidence=Evidence.MEASURED_ON_DEVICE)

    def _own_context(self) -> StageContext:
        """As the measurement's, in a folder of its own."""
        return replace(self.context, folder=Path(tempfile.mkdtemp(dir=self.context.folder)))
