"""Measures models on a device, interleaved, and keeps the raw samples."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from edgedistill.bench.candidates import Candidate
from edgedistill.bench.samples import Samples, read_samples, write_samples
from edgedistill.bench.session import check
from edgedistill.bench.stability import disturbances
from edgedistill.bench.taking_turns import TakingTurns
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import plain
from edgedistill.units import ns_to_ms

if TYPE_CHECKING:
    from edgedistill.core.evidence import Conditions
    from edgedistill.core.stage import StageContext

__all__ = ["Candidate", "Measuring", "Samples", "read_samples"]


@dataclass(frozen=True)
class Measuring(TakingTurns):
    """Times all candidates on one device in interleaved rounds: a stage."""

    def run(self, context: StageContext) -> StageResult:
        """Writes `samples.json`.

        Raises:
            InputError: If a model file is missing or the inputs are not usable.
            DeviceError: If the device failed or what it gave back is not whole.
        """
        job = {"action": "measure", "runs_per_round": self.config.runs_per_round}
        title = f"Measuring {len(self.candidates)} models"
        result, conditions = self.take(context, title, job)
        samples = self._samples(result, conditions, context.seed)
        self.require_those_sent(samples.sha256)
        write_samples(samples, context.folder)
        return StageResult(facts=_facts(samples))

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
