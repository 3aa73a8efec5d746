"""One process: calibrates a model and prints seconds, peak bytes and ranges, as JSON.

    python benchmarks/calibration_memory_process.py MODEL.onnx METHOD SAMPLES ours|onnxruntime

Linux only: reads VmHWM in /proc/self/status.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the module is loaded

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.data.dataset import Split
from edgedistill.stages.quantize.calibration import calibrate, open_calibration
from edgedistill.stages.quantize.placement import place
from edgedistill.stages.quantize.session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

_DISTINCT = 16
"""Samples that differ; further ones repeat them, so that the samples themselves take no room."""
_LIBRARY: dict[str, tuple[str, dict[str, object]]] = {
    "min-max": ("MinMax", {}),
    "moving-average": ("MinMax", {"moving_average": True}),
    "percentile": ("Percentile", {}),
    "entropy": ("Entropy", {"num_bins": 512}),
    "entropy as it comes": ("Entropy", {}),
}


class _Repeated:
    """An array of few samples that looks like one of many."""

    def __init__(self, values: np.ndarray, length: int) -> None:
        self.values, self.shape = values, (length, *values.shape[1:])

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        picked: np.ndarray = self.values[np.asarray(indices) % len(self.values)]
        return picked


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: Iterator[Any]) -> None:
        self.samples = samples

    def get_next(self) -> Any:
        return next(self.samples, None)


def peak_bytes() -> int:
    """The most that this process ever held."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("no VmHWM in /proc/self/status")


def library(model: Path, operators: tuple[str, ...], samples: Any, method: str) -> Any:
    """The ranges of onnxruntime's own calibrator, as `quantize_static` uses it, on one thread."""
    name, options = _LIBRARY[method]
    watched = model.with_name("library.onnx")
    calibrator = create_calibrator(
        model,
        list(operators),
        augmented_model_path=str(watched),
        calibrate_method=getattr(CalibrationMethod, name),
        extra_options={"symmetric": False, **options},
    )
    calibrator.infer_session = open_session(watched, 1, optimize=False)
    with contextlib.redirect_stdout(io.StringIO()):
        calibrator.collect_data(_Reader(iter(samples)))
        return calibrator.compute_data()


def main() -> None:
    """Calibrates and prints."""
    model, method, count, whose = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    session = open_session(model, 1)
    (given,) = session.get_inputs()
    generator = np.random.default_rng(0)
    shape = (_DISTINCT, *given.shape[1:])
    values = generator.standard_normal(shape, dtype=np.float32)
    values *= generator.uniform(0.3, 2, (_DISTINCT, *[1] * (len(shape) - 1))).astype(np.float32)
    split = Split(
        inputs={given.name: _Repeated(values, count)},  # type: ignore[dict-item]
        labels=np.zeros(count, np.int64),
        groups=None,
        preprocessing=Preprocessing(),
        augmentation=Augmentation(),
    )
    samples = open_calibration(split, session)
    operators = place(onnx.load_model(model).graph).operators
    del session
    before_s, before = time.perf_counter(), peak_bytes()
    if whose == "ours":
        context = StageContext(folder=model.parent)
        ranges = calibrate(model, samples, operators, context, method=method)  # type: ignore[arg-type]
    else:
        ranges = library(model, operators, samples, method)
    seconds = time.perf_counter() - before_s
    found = {
        name: [float(np.asarray(end).item()) for end in ranges[name].range_value]
        for name in ranges.keys()  # noqa: SIM118 - not a mapping
    }
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak_bytes": peak_bytes(),
                "before_bytes": before,
                "ranges": found,
            }
        )
    )


if __name__ == "__main__":
    main()
