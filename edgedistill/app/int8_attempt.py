"""An int8 candidate that may turn out not to work, where others stand beside it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.app.agreement import AgreementJudge, FloatAnswers
from edgedistill.core.stage import StageResult
from edgedistill.errors import PromiseError
from edgedistill.stages.quantize.stage import Quantization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.quantized import AgreementKind
    from edgedistill.core.recipe import Quantize
    from edgedistill.core.stage import StageContext
    from edgedistill.data.ready import ReadyData


@dataclass(frozen=True)
class Int8Attempt:
    """Makes an int8 candidate, or keeps the reason why it could not be made: a stage.

    Attributes:
        model: The float ONNX file.
        data: What calibrates and what judges.
        config: How to calibrate, and what may be tried to keep the agreement.
        scheme: How int8 stands for real numbers.
        runs_here: Whether the target's runtime is this machine's own.
        kind: How agreement is told.
        min_agreement: What is asked for.
    """

    model: Path
    data: ReadyData
    config: Quantize
    scheme: QuantizationScheme
    runs_here: bool
    kind: AgreementKind
    min_agreement: float

    def run(self, context: StageContext) -> StageResult:
        """Facts: `made` with the quantizer's own facts, or `not_made` with the broken promise.

        Raises:
            InputError: If model or samples make any int8 impossible.
        """
        answers = FloatAnswers(self.model, self.data.judging, context.threads)
        judge = AgreementJudge(answers, self.kind, self.min_agreement)
        stage = Quantization(
            model=self.model,
            dataset=self.data,
            config=self.config,
            scheme=self.scheme,
            runs_here=self.runs_here,
            judge=judge if len(self.data.judging) else None,
        )
        try:
            return StageResult(facts={"made": dict(stage.run(context).facts)})
        except PromiseError as error:
            for left in context.folder.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            return StageResult(facts={"not_made": str(error)})


def made(facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The facts of what an attempt made; None where it failed."""
    found: Mapping[str, Any] | None = facts.get("made")
    return found
