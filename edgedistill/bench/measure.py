"""Measures models on a device, interleaved, and keeps the raw samples."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from edgedistill.bench.candidates import Candidate, require_measurable
from edgedistill.bench.samples import Samples, read_samples, write_samples
from edgedistill.bench.session import (
    DEFAULT_TIMEOUT_S,
    Facts,
    Worker,
    check,
    open_worker,
    steps,
)
from edgedistill.bench.stability import disturbances
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import plain
from edgedistill.errors import DeviceError
from edgedistill.store import file_sha256
from edgedistill.units import ns_to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from edgedistill.core.evidence import Conditions
    from edgedistill.core.profile import Runtime
    from edgedistill.core.recipe import Benchmark
    from edgedistill.core.stage import StageContext
    from edgedistill.devices.transport import Transport

__all__ = ["Candidate", "Measuring", "Samples", "read_samples"]

_INPUTS = "inputs.npz"


@dataclass(frozen=True)
class Measuring:
    """Times all candidates on one device in interleaved rounds: a stage.

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

    def run(self, context: StageContext) -> StageResult:
        """Writes `samples.json`.

        Raises:
            InputError: If a model file is missing or the inputs are not usable.
            DeviceError: If the device failed or what it gave back is not whole.
        """
        require_measurable(self.candidates, self.inputs)
        hashes = {item.name: file_sha256(item.model) for item in self.candidates}
        with open_worker(self.transport, context.folder, self.timeout_s) as worker:
            before = self._conditions(worker.facts())
            result = self._measure(worker, context)
        after = self._conditions(check(Facts, result.pop("facts", None), "facts"))
        if before != after:
            raise DeviceError(
                f"{self.device}: the conditions changed while measuring, from {before} to {after}. "
                "Measure again"
            )
        samples = self._samples(result, before, context.seed)
        if samples.sha256 != hashes:
            raise DeviceError(f"{self.device}: the models on the device are not those sent to it")
        write_samples(samples, context.folder)
        return StageResult(facts=_facts(samples))

    def _measure(self, worker: Worker, context: StageContext) -> dict[str, Any]:
        models = {item.name: f"model-{place}.onnx" for place, item in enumerate(self.candidates)}
        for item in self.candidates:
            self.transport.put(item.model, models[item.name])
        worker.put_inputs(self.inputs, _INPUTS)
        job = {
            "action": "measure",
            "models": models,
            "inputs": _INPUTS,
            "provider": self.runtime.provider,
            "threads": self.runtime.threads,
            "warmup_runs": self.config.warmup_runs,
            "rounds": self.config.rounds,
            "runs_per_round": self.config.runs_per_round,
            "seed": context.seed,
        }
        title = f"Measuring {len(models)} models on {self.device}"
        with context.progress.track(title, self.config.rounds) as advance:
            return worker.run(job, on_progress=steps(advance))

    def _samples(self, result: dict[str, Any], conditions: Conditions, seed: int) -> Samples:
        plan = {
            "warmup_runs": self.config.warmup_runs,
            "rounds": self.config.rounds,
            "runs_per_round": self.config.runs_per_round,
            "seeds": [seed],
            "orders": result.pop("orders", None),
        }
        document = {**result, "plan": plan, "conditions": plain(conditions)}
        return check(Samples, document, "samples")

    def _conditions(self, facts: Facts) -> Conditions:
        return facts.conditions(
            device=self.device, provider=self.runtime.provider, threads=self.runtime.threads
        )


def _facts(samples: Samples) -> dict[str, Any]:
    models = {
        name: {
            "sha256": samples.sha256[name],
            "p50_ms": ns_to_ms(round(median(run for runs in rounds for run in runs))),
            "disturbances": list(
                disturbances(rounds, samples.cpu_ns[name], processor_bound=samples.processor_bound)
            ),
        }
        for name, rounds in samples.wall_ns.items()
    }
    return {"conditions": plain(samples.conditions), "models": models}
