"""The product's int8 files of a float ONNX file and ready samples, without its measuring."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.app.agreement import AgreementJudge, FloatAnswers
from edgedistill.app.agreement_limits import AgreementLimits
from edgedistill.catalog.profiles import load
from edgedistill.core.quantizing import Quantize
from edgedistill.core.stage import StageContext
from edgedistill.data.ready import ReadyData, ReadySamples
from edgedistill.errors import PromiseError
from edgedistill.stages.quantize.dynamic import DynamicQuantization
from edgedistill.stages.quantize.stage import Quantization
from edgedistill.tasks.likeness import Likeness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.stage import Stage

KIND = "top-1"
CONFIG = Quantize(min_int8_share=0.5)
"""As `edgedistill quantize` has it."""


@dataclass(frozen=True)
class Task:
    """A float network and what the product is given of it.

    Attributes:
        model: The float ONNX file.
        data: Samples that calibrate, and others that judge.
    """

    model: Path
    data: ReadyData

    @classmethod
    def of(cls, folder: Path) -> Task:
        """What `int8_networks.write` left in a folder."""
        calibration, judging = (
            _ready(folder / f"{part}.npz") for part in ("calibration", "judging")
        )
        return cls(folder / "float.onnx", ReadyData(calibration, judging))

    def relative_errors(self, models: Sequence[Path]) -> dict[str, float]:
        """How far files are from the float one on the samples that judge, by name."""
        answers = FloatAnswers(self.model, self.data.judging, threads=1)
        return {model.stem: _relative_error(answers, model) for model in models}

    def write(self, target: Path, max_relative_error: float, *, per_channel: bool) -> None:
        """The first scheme of this machine, made as `edgedistill quantize` makes it.

        Args:
            target: The file to write.
            max_relative_error: What is asked for; where it cannot be reached, the nearest.
            per_channel: Whether each channel of weights has a scale of its own.
        """
        answers = FloatAnswers(self.model, self.data.judging, threads=1)
        judge = AgreementJudge(answers, KIND, AgreementLimits(0.0, max_relative_error))
        chosen = scheme().model_copy(update={"per_channel": per_channel})
        stage = Quantization(self.model, self.data, CONFIG, chosen, runs_here=True, judge=judge)
        _run(stage, target)

    def write_dynamic(self, target: Path) -> None:
        """Dynamic int8, where enough of the network is matrix products; else nothing."""
        stage = DynamicQuantization(
            self.model, self.data, CONFIG.min_int8_share, scheme(), runs_here=True
        )
        try:
            _run(stage, target)
        except PromiseError:  # a network of convolutions
            return


def scheme() -> QuantizationScheme:
    """What the profile of this machine says."""
    profile = load("host")
    found = profile.runtimes[profile.default_runtime].int8
    if found is None:
        raise SystemExit("the profile host has no int8 scheme")
    return found


def _run(stage: Stage, target: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        stage.run(StageContext(folder=Path(name)))
        target.write_bytes((Path(name) / "model.onnx").read_bytes())


def _relative_error(answers: FloatAnswers, model: Path) -> float:
    from int8_race import open_model

    session, likeness = open_model(model), Likeness(KIND)
    if session is None:
        return float("inf")
    for sample, first in answers:
        likeness.add(first, session.run(None, sample))
    return float("inf") if likeness.relative_error is None else likeness.relative_error


def _ready(path: Path) -> ReadySamples:
    arrays = dict(np.load(path))
    return ReadySamples(
        inputs=arrays,
        dtypes={name: str(array.dtype) for name, array in arrays.items()},
        preprocessing=None,
    )
