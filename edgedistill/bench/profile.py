"""Times every operator of models on a device, and keeps the raw figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.bench.operator_samples import OperatorSamples, write_operator_samples
from edgedistill.bench.session import check
from edgedistill.bench.taking_turns import TakingTurns
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import plain

if TYPE_CHECKING:
    from edgedistill.core.stage import StageContext


@dataclass(frozen=True)
class Profiling(TakingTurns):
    """Times every operator of all candidates on one device, in interleaved rounds: a stage.

    In each round a model's operators are timed once. The runtime's profiler slows a network down,
    so no latency is taken from here.
    """

    def run(self, context: StageContext) -> StageResult:
        """Writes `operators.json`.

        Raises:
            InputError: If a model file is missing or the inputs are not usable.
            DeviceError: If the device failed or what it gave back is not whole.
        """
        title = f"Timing the operators of {len(self.candidates)} models"
        result, conditions = self.take(context, title, {"action": "profile"})
        document = {
            **result,
            "conditions": plain(conditions),
            "warmup_runs": self.config.warmup_runs,
            "rounds": self.config.rounds,
            "seed": context.seed,
        }
        samples = check(OperatorSamples, document, "operator times")
        self.require_those_sent(samples.sha256)
        write_operator_samples(samples, context.folder)
        counts = {name: len(model.operators) for name, model in samples.models.items()}
        return StageResult(facts={"conditions": plain(conditions), "operators": counts})
