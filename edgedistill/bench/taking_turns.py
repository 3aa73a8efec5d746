"""Several models on one device, in interleaved rounds of its worker: what measuring shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.bench.candidates import require_measurable
from edgedistill.bench.opening import opened
from edgedistill.bench.session import (
    DEFAULT_TIMEOUT_S,
    Facts,
    Worker,
    check,
    open_worker,
    steps,
)
from edgedistill.errors import DeviceError
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from edgedistill.bench.candidates import Candidate
    from edgedistill.core.evidence import Conditions
    from edgedistill.core.profile import Runtime
    from edgedistill.core.recipe import Benchmark
    from edgedistill.core.stage import StageContext
    from edgedistill.devices.transport import Transport

_INPUTS = "inputs.npz"


@dataclass(frozen=True)
class TakingTurns:
    """Models that take turns on one device.

    Attributes:
        candidates: The models; all are run in every round.
        inputs: Samples by input name, ready for the network, [samples, ...]; each run takes the
            next one, alone in its batch.
        config: How many rounds and runs.
        transport: The way to the device.
        device: The profile's name.
        runtime: Provider and threads.
        timeout_s: How long the device may be silent.
    """

    candidates: tuple[Candidate, ...]
    inputs: Mapping[str, np.ndarray]
    config: Benchmark
    transport: Transport
    device: str
    runtime: Runtime
    timeout_s: float = DEFAULT_TIMEOUT_S

    def take(
        self, context: StageContext, title: str, job: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Conditions]:
        """Brings models and inputs to the device and lets its worker do a job with them.

        Args:
            context: Seed, scratch folder and progress.
            title: What the worker does, for a person.
            job: Its action, with what only this action takes.

        Returns:
            What the worker gave back, and the conditions, which were the same before and after.

        Raises:
            InputError: If a model file is missing or the inputs are not usable.
            DeviceError: If the device failed, or changed while it worked.
        """
        require_measurable(self.candidates, self.inputs)
        with open_worker(self.transport, context.folder, self.timeout_s) as worker:
            before = self._conditions(worker.facts())
            result = self._ask(worker, context, title, job)
        after = self._conditions(check(Facts, result.pop("facts", None), "facts"))
        if before != after:
            raise DeviceError(
                f"{self.device}: the conditions changed while measuring, from {before} to {after}. "
                "Measure again"
            )
        return result, before

    def require_those_sent(self, sha256: Mapping[str, str]) -> None:
        """Refuses figures of other models than were sent to the device.

        Args:
            sha256: Name to hash of what the device says it ran.

        Raises:
            DeviceError: If it ran something else.
        """
        if dict(sha256) != {item.name: file_sha256(item.model) for item in self.candidates}:
            raise DeviceError(f"{self.device}: the models on the device are not those sent to it")

    def _ask(
        self, worker: Worker, context: StageContext, title: str, job: Mapping[str, Any]
    ) -> dict[str, Any]:
        models = {item.name: f"model-{place}.onnx" for place, item in enumerate(self.candidates)}
        for item in self.candidates:
            self.transport.put(item.model, models[item.name])
        worker.put_inputs(self.inputs, _INPUTS)
        files = {models[item.name]: item.model for item in self.candidates}
        whole = {
            "models": models,
            "inputs": _INPUTS,
            **opened(self.runtime, files),
            "warmup_runs": self.config.warmup_runs,
            "rounds": self.config.rounds,
            "seed": context.seed,
            **job,
        }
        with context.progress.track(f"{title} on {self.device}", self.config.rounds) as advance:
            return worker.run(whole, on_progress=steps(advance))

    def _conditions(self, facts: Facts) -> Conditions:
        return facts.conditions(
            device=self.device, provider=self.runtime.provider, threads=self.runtime.threads
        )
