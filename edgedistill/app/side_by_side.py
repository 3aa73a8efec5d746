"""Two models asked the same samples, one sample at a time, their outputs beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from edgedistill.app.trial import RUN_ERRORS
from edgedistill.errors import Fault, InputError
from edgedistill.stages.quantize.session import open_session
from edgedistill.tasks.likeness import Likeness, agreement_kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.app.foreign_model import ForeignModel
    from edgedistill.core.quantized import AgreementKind
    from edgedistill.core.stage import Progress
    from edgedistill.data.ready import ReadySamples

_SMALLEST = float(np.finfo(np.float32).tiny)
"""The smallest probability whose logarithm is taken: float32's smallest normal number."""
_FATAL_ONLY = 4
_SUM_MAY_BE_OFF = 0.02
"""By which probabilities may miss 1, rounded to int8 or half precision as they may be."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What both answered.

    Attributes:
        likeness: How near the second is to the first.
        logits: Of each, float64 `[n, classes]`, the logarithm where it gives probabilities; None
            where outputs are no classes.
        alike: Whether both give logits or both give probabilities, so that their outputs can be
            subtracted.
    """

    likeness: Likeness
    logits: tuple[np.ndarray, np.ndarray] | None
    alike: bool


@dataclass(frozen=True)
class Pair:
    """Two models that take the same samples.

    Attributes:
        first: Compared with.
        second: Judged.
        names: First model's name of each input to the second's.
    """

    first: ForeignModel
    second: ForeignModel
    names: dict[str, str]

    def for_second(self, sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A sample of the first under the second's names and in its types."""
        back = {other: name for name, other in self.names.items()}
        return {
            one.name: sample[back[one.name]].astype(one.dtype, copy=False)
            for one in self.second.inputs
        }

    def ask(self, samples: ReadySamples, *, threads: int, progress: Progress) -> Asked:
        """Runs both on all samples, each alone in its batch, as on the device.

        Args:
            samples: By the first model's names.
            threads: Of a run.
            progress: Where it tells how far it is.

        Raises:
            InputError: If their outputs cannot be compared, or one is NaN or infinite.
        """
        sessions = [open_session(one.whole, threads) for one in (self.first, self.second)]
        likeness: Likeness | None = None
        rows: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        with progress.track("Asking both models", len(samples)) as advance:
            for place in range(len(samples)):
                sample = samples.batch(np.array([place]))
                one = _answer(sessions[0], self.first.file, sample, place)
                other = _answer(sessions[1], self.second.file, self.for_second(sample), place)
                if likeness is None:
                    likeness = Likeness(self._kind(one, other))
                likeness.add(one, other)
                if likeness.kind == "top-1":
                    rows[0].append(one[0][0])
                    rows[1].append(other[0][0])
                advance()
        assert likeness is not None  # there is a sample at least
        if likeness.kind != "top-1":
            return Asked(likeness, logits=None, alike=True)
        told = [_as_logits(self.first, rows[0]), _as_logits(self.second, rows[1])]
        (before, was), (after, now) = told
        return Asked(likeness, logits=(before, after), alike=was == now)

    def _kind(self, one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> AgreementKind:
        forms = [[(values.dtype.kind, values.shape) for values in each] for each in (one, other)]
        if forms[0] != forms[1]:
            raise InputError(
                Fault(
                    file=self.second.file,
                    given=_written(other),
                    problem=f"gives other outputs than the first model ({_written(one)})",
                    remedy="Compare models that answer the same question in the same form",
                )
            )
        return agreement_kind([(values.dtype, values.shape) for values in one])


def _as_logits(model: ForeignModel, rows: list[np.ndarray]) -> tuple[np.ndarray, bool]:
    """Answers `[n, classes]` as logits, and whether they came as probabilities."""
    # what it stands on takes seconds to import, and only classes need it
    from edgedistill.models.onnx_graph import gives_probabilities

    answers = np.stack(rows).astype(np.float64)
    sums = answers.sum(axis=1)
    look_so = bool((answers >= 0).all() and (np.abs(sums - 1) <= _SUM_MAY_BE_OFF).all())
    if not (look_so or gives_probabilities(model.model)):
        return answers, False
    return np.log(np.maximum(answers, _SMALLEST)), True


def _answer(
    session: onnxruntime.InferenceSession, file: Path, sample: dict[str, np.ndarray], place: int
) -> list[np.ndarray]:
    """The outputs for one sample, all of them finite."""
    given = f"sample {place} of those compared"
    quiet = onnxruntime.RunOptions()
    quiet.log_severity_level = _FATAL_ONLY  # what it says is in the error
    try:
        outputs: list[np.ndarray] = session.run(None, sample, quiet)
    except RUN_ERRORS as error:  # it ran on the first sample; this one asks something else of it
        raise InputError(
            Fault(
                file=file,
                given=given,
                problem=f"does not run on this sample: {str(error).strip().splitlines()[0]}",
                remedy="Look at this sample, and at the preprocessing or tokenizer",
            )
        ) from error
    for number, values in enumerate(outputs):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(
                Fault(
                    file=file,
                    field=f"output {number}",
                    given=given,
                    problem="gives NaN or infinity",
                    remedy="Look at this sample and at the preprocessing, or export the model "
                    "again",
                )
            )
    return outputs


def _written(outputs: Sequence[np.ndarray]) -> str:
    return ", ".join(f"{values.dtype} {list(values.shape)}" for values in outputs)
