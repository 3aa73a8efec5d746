"""How near a model file's answers are to the float model's, on given samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.errors import PromiseError
from edgedistill.stages.quantize.session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import onnxruntime

    Sample = Mapping[str, np.ndarray]

_TINY = 1e-12
"""Outputs that spread less than this part of their own size say the same to every sample."""


@dataclass(frozen=True)
class Fidelity:
    """What one model file's answers are beside the float model's.

    Attributes:
        distance: Root mean square of the difference over that of the float outputs' deviation
            from their mean; over several outputs, the root mean square of their distances.
        agreement: Share of samples with the same highest class; None where the output is not
            class scores `[n, classes]`.
    """

    distance: float
    agreement: float | None


class FloatAnswers:
    """The float model's answers, on disk so that memory does not grow with the samples."""

    def __init__(
        self, model: Path, samples: Iterable[Sample], folder: Path, *, threads: int
    ) -> None:
        """Runs the float model.

        Args:
            model: The float model.
            samples: By the model's input names; they are gone through once for each file.
            folder: Empty; for the answers.
            threads: Threads of a run.

        Raises:
            InputError: If the model cannot be loaded.
            PromiseError: If its answers are not finite.
        """
        self._samples, self._folder, self._threads = samples, folder, threads
        session = open_session(model, threads)
        self._classes = _gives_class_scores(session)
        spreads: list[_Spread] = []
        for index, sample in enumerate(samples):
            outputs = _answers(session, sample)
            spreads = spreads or [_Spread() for _ in outputs]
            for place, output in enumerate(outputs):
                spreads[place].see(output)
                np.save(self._file(index, place), output, allow_pickle=False)
        self._scales = [spread.scale for spread in spreads]

    @property
    def are_class_scores(self) -> bool:
        """Whether the model has one output `[n, classes]`, of more than one class."""
        return self._classes

    def beside(self, candidate: Path) -> Fidelity:
        """Runs another file with the float model's inputs and outputs on the same samples.

        Raises:
            InputError: If it cannot be loaded.
            PromiseError: If its answers are not finite.
        """
        session = open_session(candidate, self._threads)
        squares = [0.0] * len(self._scales)
        elements = [0] * len(self._scales)
        same = rows = 0
        for index, sample in enumerate(self._samples):
            for place, (old, new) in enumerate(
                zip(self._stored(index), _answers(session, sample), strict=True)
            ):
                difference = new.astype(np.float64) - old
                squares[place] += float((difference**2).sum())
                elements[place] += difference.size
                if self._classes:
                    same += int((old.argmax(1) == new.argmax(1)).sum())
                    rows += len(old)
        relative = [
            square / max(many, 1) / scale**2
            for square, many, scale in zip(squares, elements, self._scales, strict=True)
        ]
        return Fidelity(
            distance=math.sqrt(sum(relative) / len(relative)),
            agreement=same / rows if self._classes else None,
        )

    def _stored(self, index: int) -> Iterator[np.ndarray]:
        for place in range(len(self._scales)):
            yield np.load(self._file(index, place), allow_pickle=False)

    def _file(self, index: int, place: int) -> Path:
        return self._folder / f"answer-{index}-{place}.npy"


@dataclass
class _Spread:
    """Sums of one output's values, for their standard deviation."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def see(self, output: np.ndarray) -> None:
        values = output.astype(np.float64)
        self.count += values.size
        self.total += float(values.sum())
        self.squares += float((values**2).sum())

    @property
    def scale(self) -> float:
        """The deviation; where there is none, the size; where that is none either, 1."""
        square = self.squares / max(self.count, 1)
        variance = square - (self.total / max(self.count, 1)) ** 2
        if variance > _TINY * square:
            return math.sqrt(variance)
        return math.sqrt(square) or 1.0


def _gives_class_scores(session: onnxruntime.InferenceSession) -> bool:
    outputs = session.get_outputs()
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        return False
    classes = outputs[0].shape[1]
    return isinstance(classes, int) and classes > 1


def _answers(session: onnxruntime.InferenceSession, sample: Sample) -> list[np.ndarray]:
    outputs: list[np.ndarray] = session.run(None, dict(sample))
    for place, output in enumerate(outputs):
        if not np.isfinite(output).all():
            raise PromiseError(
                stage="quantize",
                promised="finite outputs",
                found=f"NaN or infinity in output {place}",
                remedy="Look at the float model's own outputs, or try another calibration method "
                "under stages.quantize.calibration",
            )
    return outputs
