"""How far candidates agree with the float model, where nobody knows what is right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.app.agreement_limits import broken_agreement
from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.judging import Judged
from edgedistill.core.quantized import FLOAT
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import Strict, plain
from edgedistill.errors import Fault, InputError, PromiseError
from edgedistill.stages.quantize.session import open_session
from edgedistill.tasks.likeness import Likeness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edgedistill.app.agreement_limits import AgreementLimits
    from edgedistill.core.quantized import AgreementKind
    from edgedistill.core.stage import StageContext
    from edgedistill.data.ready import ReadySamples

AGREEMENT_CODE = ("app/agreement.py", "app/agreement_limits.py", "tasks")
"""The sources that a judgement by the float model follows from."""

_KEPT_BYTES = 256 * 1024**2
"""The float model's answers are kept in memory up to here; larger ones are computed again."""


class Agreed(Strict):
    """How near one candidate is to the float model."""

    agreement: Quantity | None
    """None where it cannot be told."""
    relative_error: float | None
    """None where it cannot be told."""
    finite: bool
    """Whether all its outputs were."""


@dataclass(frozen=True)
class Agreeing:
    """Runs the float model and all candidates on the samples that judge: a stage.

    One sample at a time, as on the device: scales that a model computes while it runs would
    otherwise depend on the other samples of a batch.

    Attributes:
        models: Name to ONNX file, the float model's among them.
        samples: Those that judge.
        kind: Which figure is asked for.
        evidence: How the outputs are got, seen from the target.
    """

    models: Mapping[str, Path]
    samples: ReadySamples
    kind: AgreementKind
    evidence: Evidence

    def run(self, context: StageContext) -> StageResult:
        """Facts: by candidate, what `Agreed` holds.

        Raises:
            InputError: If the float model gives NaN or infinity.
        """
        sessions = {
            name: open_session(file, context.threads)
            for name, file in self.models.items()
            if name != FLOAT
        }
        found = {name: Likeness(self.kind) for name in sessions}
        answers = FloatAnswers(self.models[FLOAT], self.samples, context.threads, kept_bytes=0)
        with context.progress.track("Comparing with the float model", len(self.samples)) as advance:
            for sample, first in answers:
                for name, likeness in found.items():
                    likeness.add(first, sessions[name].run(None, sample))
                advance()
        return StageResult(
            facts={
                name: plain(
                    Agreed(
                        agreement=likeness.agreement(self.evidence),
                        relative_error=likeness.relative_error,
                        finite=likeness.finite,
                    )
                )
                for name, likeness in found.items()
            }
        )


@dataclass
class FloatAnswers:
    """Each sample with the float model's answers to it, computed once where they are small.

    Attributes:
        model: The float model.
        samples: What it is asked.
        threads: Of a run.
        kept_bytes: How much of the answers may stay in memory.
    """

    model: Path
    samples: ReadySamples
    threads: int
    kept_bytes: int = _KEPT_BYTES
    _kept: list[list[np.ndarray]] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[dict[str, np.ndarray], list[np.ndarray]]]:
        known = list(self._kept)
        session = (
            None if len(known) == len(self.samples) else open_session(self.model, self.threads)
        )
        size_bytes = 0
        for index in range(len(self.samples)):
            sample = self.samples.batch(np.array([index]))
            if session is None:
                yield sample, known[index]
                continue
            outputs: list[np.ndarray] = session.run(None, sample)
            self._require_finite(outputs, index)
            size_bytes += sum(values.nbytes for values in outputs)
            if size_bytes > self.kept_bytes:
                self._kept.clear()
            elif index == len(self._kept):
                self._kept.append(outputs)
            yield sample, outputs

    def _require_finite(self, outputs: list[np.ndarray], index: int) -> None:
        for place, values in enumerate(outputs):
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise InputError(
                    Fault(
                        file=self.model.name,
                        field=f"output {place}",
                        given=f"judging sample {index}",
                        problem="the float model gives NaN or infinity",
                        remedy="Look at this sample and at the preprocessing, or export the model "
                        "again",
                    )
                )


@dataclass(frozen=True)
class AgreementJudge:
    """Judges a file by the samples on which the report will compare it, with the same figure.

    Attributes:
        answers: The float model's.
        kind: Which figure is asked for.
        limits: What is further from the float model does not hold.
    """

    answers: FloatAnswers
    kind: AgreementKind
    limits: AgreementLimits

    @property
    def called(self) -> str:
        """What the figure is."""
        return "agreement with the float model"

    def judge(self, model: Path) -> Judged:
        """Runs a file on the samples that judge.

        Raises:
            InputError: If it cannot be loaded, or the float model gives NaN or infinity.
            PromiseError: If its outputs are not finite.
        """
        session = open_session(model, self.answers.threads)
        likeness = Likeness(self.kind)
        for sample, first in self.answers:
            likeness.add(first, session.run(None, sample))
        if not likeness.finite:
            raise PromiseError(
                stage="quantize",
                promised="finite outputs",
                found="NaN or infinity on a sample that judges",
                remedy="Try another method of calibration",
            )
        agreement = likeness.agreement(Evidence.MEASURED_ON_STAND_IN)
        figure = 0.0 if agreement is None else max(0.0, agreement.value)
        return Judged(
            figure=figure,
            distance=likeness.relative_error or 0.0,
            broken=broken_agreement(
                agreement,
                likeness.relative_error,
                finite=True,
                kind=self.kind,
                limits=self.limits,
            ),
            enough=figure >= self.limits.min_agreement,
        )
