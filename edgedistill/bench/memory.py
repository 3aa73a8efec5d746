"""By how much a process grows on the device that loads one model and runs it: measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from edgedistill.bench.opening import opened
from edgedistill.bench.session import DEFAULT_TIMEOUT_S, Facts, check, open_worker
from edgedistill.bench.statistics import percentile_interval
from edgedistill.core.evidence import Evidence, Quantity, wider
from edgedistill.core.strict import Strict
from edgedistill.errors import DeviceError
from edgedistill.store import file_sha256
from edgedistill.units import BYTES_PER_MB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from edgedistill.bench.statistics import Interval
    from edgedistill.core.evidence import Conditions
    from edgedistill.core.profile import Runtime
    from edgedistill.core.stage import StageContext
    from edgedistill.devices.transport import Transport

CONFIDENCE = 0.95
_MODEL, _INPUTS = "model.onnx", "inputs.npz"
_RUNS = 5


class _Grown(Strict):
    """What the worker says of one process."""

    grown_bytes: int = Field(ge=0)
    sha256: str
    facts: Facts


@dataclass(frozen=True)
class Memory:
    """What was measured."""

    grown_bytes: tuple[int, ...]
    """Of each process, from before the model is loaded to after its last inference."""
    conditions: Conditions

    def peak_mb(self) -> Quantity:
        """What one inference adds to the memory of a process, in 10^6 bytes.

        Raises:
            DeviceError: If the processes are too few for an interval.
        """
        found = _median(self.grown_bytes, CONFIDENCE)
        if found is None:
            raise DeviceError(
                f"{len(self.grown_bytes)} processes are too few to state the memory of one"
            )

        def ends(confidence: float) -> tuple[float, float] | None:
            further = _median(self.grown_bytes, confidence)
            if further is None:
                return None
            return further.low / BYTES_PER_MB, further.high / BYTES_PER_MB

        low, high = found.low / BYTES_PER_MB, found.high / BYTES_PER_MB
        return Quantity(
            value=found.value / BYTES_PER_MB,
            low=low,
            high=high,
            confidence=CONFIDENCE,
            evidence=Evidence.MEASURED_ON_DEVICE,
            samples=found.samples,
            method=(
                "peak of the resident memory of a process that loads the model and runs it "
                f"{_RUNS} times, less what it held before; median over {found.samples} processes "
                "with order statistics (binomial)"
            ),
            wider=wider(low, high, CONFIDENCE, ends),
        )


def _median(grown_bytes: Sequence[int], confidence: float) -> Interval | None:
    return percentile_interval([[float(one)] for one in grown_bytes], 0.5, confidence)


@dataclass(frozen=True)
class MeasuringMemory:
    """Loads and runs one model in several processes, each new.

    Attributes:
        model: The ONNX file.
        inputs: Samples by input name, [samples, ...].
        processes: How many; 16 give an interval at every confidence of the ladder.
        transport: The way to the device.
        device: The profile's name.
        runtime: Provider and threads.
        timeout_s: How long the device may be silent.
    """

    model: Path
    inputs: Mapping[str, np.ndarray]
    transport: Transport
    device: str
    runtime: Runtime
    processes: int = 16
    timeout_s: float = DEFAULT_TIMEOUT_S

    def run(self, context: StageContext) -> Memory:
        """Measures.

        Raises:
            DeviceError: If the device failed, does not tell how much memory a process holds, or its
                conditions changed.
        """
        wanted = file_sha256(self.model)
        grown, seen = [], []
        title = f"Measuring memory on {self.device}"
        with (
            open_worker(self.transport, context.folder, self.timeout_s) as worker,
            context.progress.track(title, self.processes) as advance,
        ):
            self.transport.put(self.model, _MODEL)
            worker.put_inputs(self.inputs, _INPUTS)
            job = {
                "action": "memory",
                "model": _MODEL,
                "inputs": _INPUTS,
                **opened(self.runtime, {_MODEL: self.model}),
                "runs": _RUNS,
            }
            for _ in range(self.processes):
                answer = check(_Grown, worker.run(job), "memory")
                if answer.sha256 != wanted:
                    raise DeviceError(f"{self.device}: the model is not the one sent to it")
                grown.append(answer.grown_bytes)
                seen.append(self._conditions(answer.facts))
                advance()
        if len(set(map(repr, seen))) > 1:
            raise DeviceError(f"{self.device}: the conditions changed while measuring")
        return Memory(tuple(grown), seen[0])

    def _conditions(self, facts: Facts) -> Conditions:
        return facts.conditions(
            device=self.device, provider=self.runtime.provider, threads=self.runtime.threads
        )
