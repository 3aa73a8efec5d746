"""Times every operator of models on a device, and keeps the raw figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.bench.candidates import require_measurable
from edgedistill.bench.operator_samples import OperatorSamples, write_operator_samples
from edgedistill.bench.session import (
    DEFAULT_TIMEOUT_S,
    Facts,
    Worker,
    check,
    open_worker,
    steps,
)
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import plain
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
class Profiling:
    """Times every operator of all candidates on one device, in interleaved rounds: a stage.

    The runtime's profiler slows a network down, so no latency is taken from here.

    Attributes:
        candidates: The models; all are run in every round.
        inputs: Samples by input name, ready for the network, [samples, ...]; each round takes the
            next one, alone in its batch.
        config: How many rounds; in each a model's operators are timed once.
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

    def run(self, context: StageContext) -> StageResult:
        """Writes `operators.json`.

        Raises:
            InputError: If a model file is missing or the inputs are not usable.
            DeviceError: If the device failed or what it gave back is not whole.
        """
        require_measurable(self.candidates, self.inputs)
        hashes = {item.name: file_sha256(item.model) for item in self.candidates}
        with open_worker(self.transport, context.folder, self.timeout_s) as worker:
            before = self._conditions(worker.facts())
            result = self._profile(worker, context)
        after = self._conditions(check(Facts, result.pop("facts", None), "facts"))
        if before != after:
            raise DeviceError(
                f"{self.device}: the conditions changed while measuring, from {before} to {after}. "
                "Measure again"
            )
        samples = check(
            OperatorSamples,
            {
                **result,
                "conditions": plain(before),
                "warmup_runs": self.config.warmup_runs,
                "rounds": self.config.rounds,
                "seed": context.seed,
            },
            "operator times",
        )
        if samples.sha256 != hashes:
            raise DeviceError(f"{self.device}: the models on the device are not those sent to it")
        write_operator_samples(samples, context.folder)
        counts = {name: len(model.operators) for name, model in samples.models.items()}
        return StageResult(facts={"conditions": plain(before), "operators": counts})

    def _profile(self, worker: Worker, context: StageContext) -> dict[str, Any]:
        models = {item.name: f"model-{place}.onnx" for place, item in enumerate(self.candidates)}
        for item in self.candidates:
            self.transport.put(item.model, models[item.name])
        worker.put_inputs(self.inputs, _INPUTS)
        job = {
            "action": "profile",
            "models": models,
            "inputs": _INPUTS,
            "provider": self.runtime.provider,
            "threads": self.runtime.threads,
            "warmup_runs": self.config.warmup_runs,
            "rounds": self.config.rounds,
            "seed": context.seed,
        }
        title = f"Timing the operators of {len(models)} models on {self.device}"
        with context.progress.track(title, self.config.rounds) as advance:
            return worker.run(job, on_progress=steps(advance))

    def _conditions(self, facts: Facts) -> Conditions:
        return facts.conditions(
            device=self.device, provider=self.runtime.provider, threads=self.runtime.threads
        )
