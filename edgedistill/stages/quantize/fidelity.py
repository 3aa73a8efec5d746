"""How far a model file's outputs are from the float model's, on given samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgedistill.errors import PromiseError
from edgedistill.stages.quantize.session import open_session
from edgedistill.tasks.likeness import Likeness

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    Sample = Mapping[str, np.ndarray]


class FloatOutputs:
    """The float model's outputs, on disk so that memory does not grow with the samples."""

    def __init__(
        self, model: Path, samples: Iterable[Sample], folder: Path, *, threads: int
    ) -> None:
        """Runs the float model.

        Args:
            model: The float model.
            samples: By the model's input names; they are gone through once for each file.
            folder: Empty; for the outputs.
            threads: Threads of a run.

        Raises:
            InputError: If the model cannot be loaded.
        """
        self._samples, self._folder, self._threads = samples, folder, threads
        session = open_session(model, threads)
        self._outputs = range(len(session.get_outputs()))
        for index, sample in enumerate(samples):
            for place, output in enumerate(session.run(None, dict(sample))):
                np.save(self._file(index, place), output, allow_pickle=False)

    def distance(self, candidate: Path) -> float:
        """How far another file's outputs are: `Likeness.relative_error`, of the worst output.

        Args:
            candidate: With the float model's inputs and outputs.

        Raises:
            InputError: If it cannot be loaded.
            PromiseError: If its outputs are not finite.
        """
        session = open_session(candidate, self._threads)
        likeness = Likeness("signal")
        for index, sample in enumerate(self._samples):
            stored = [
                np.load(self._file(index, place), allow_pickle=False) for place in self._outputs
            ]
            likeness.add(stored, session.run(None, dict(sample)))
        if not likeness.finite:
            raise PromiseError(
                stage="quantize",
                promised="finite outputs",
                found="NaN or infinity on a calibration sample",
                remedy="Try another method under stages.quantize.calibration",
            )
        return max(output.distance for output in likeness.outputs)

    def _file(self, index: int, place: int) -> Path:
        return self._folder / f"output-{index}-{place}.npy"
