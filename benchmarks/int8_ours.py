"""The product's int8 files of a float ONNX file and ready samples, without its measuring."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from edgedistill.catalog.profiles import load
from edgedistill.core.stage import StageContext
from edgedistill.cost import load_model
from edgedistill.errors import PromiseError
from edgedistill.stages.quantize.calibration import open_calibration
from edgedistill.stages.quantize.drafts import Draft, Workshop
from edgedistill.stages.quantize.dynamic import DynamicQuantization
from edgedistill.stages.quantize.session import open_session
from edgedistill.stages.quantize.transform import prepare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.attempts import Technique
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.quantizing import CalibrationMethodName


@dataclass(frozen=True)
class _Ready:
    """Samples that are what the network takes."""

    inputs: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def batch(self, indices: np.ndarray, *, view: int = 0) -> dict[str, np.ndarray]:
        if view:
            raise IndexError(f"there is no view {view}")
        return {name: array[indices] for name, array in self.inputs.items()}


@dataclass(frozen=True)
class _Calibrating:
    calibration: _Ready


def scheme() -> QuantizationScheme:
    """What the profile of this machine says."""
    profile = load("host")
    found = profile.runtimes[profile.default_runtime].int8
    if found is None:
        raise SystemExit("the profile host has no int8 scheme")
    return found


def write_static(
    folder: Path,
    target: Path,
    calibration: CalibrationMethodName,
    techniques: frozenset[Technique],
    *,
    per_channel: bool = True,
) -> None:
    """Static int8 as `stages.quantize` makes it from one draft."""
    model = folder / "float.onnx"
    chosen = scheme().model_copy(update={"per_channel": per_channel})
    source = load_model(model)
    samples = open_calibration(_samples(folder), open_session(model, 1))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        prepared = prepare(source, work, chosen)
        shop = Workshop(source, prepared, samples, chosen, work, StageContext(folder=work))
        onnx.save_model(shop.build(Draft(calibration, techniques)), target)


def write_dynamic(folder: Path, target: Path) -> None:
    """Dynamic int8, where enough of the network is matrix products."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        stage = DynamicQuantization(
            folder / "float.onnx", _Calibrating(_samples(folder)), 0.9, scheme(), runs_here=True
        )
        try:
            stage.run(StageContext(folder=work))
        except PromiseError:  # a network of convolutions
            return
        (work / "model.onnx").replace(target)


def _samples(folder: Path) -> _Ready:
    return _Ready(dict(np.load(folder / "calibration.npz")))
