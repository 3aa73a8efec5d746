"""What others make of a float ONNX file: onnxruntime's own quantizers in every scheme, and NNCF.

    python benchmarks/int8_peers.py FOLDER    # in the environment of the one who is to be asked

FOLDER holds `float.onnx` and `calibration.npz`; the files are written beside them. Where NNCF is
installed it makes its own, else onnxruntime does: they do not live in one environment.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the module is loaded

import numpy as np
import onnx

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMES = {"S8S8": ("QInt8", "QInt8"), "U8S8": ("QUInt8", "QInt8"), "U8U8": ("QUInt8", "QUInt8")}
"""Types of activations and weights."""


def samples(folder: Path) -> Iterator[dict[str, np.ndarray]]:
    """Calibration samples one by one."""
    arrays = dict(np.load(folder / "calibration.npz"))
    for index in range(len(next(iter(arrays.values())))):
        yield {name: array[index : index + 1] for name, array in arrays.items()}


def by_onnxruntime(folder: Path) -> None:
    """`quantize_static` in all schemes, `quantize_dynamic` with both types of weights."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.samples = samples(folder)

        def get_next(self) -> Any:
            return next(self.samples, None)

    prepared = preprocessed(folder)
    for scheme, form, per_channel in product(SCHEMES, ("QDQ", "QOperator"), (True, False)):
        path = folder / f"static {scheme} {form}{' per channel' if per_channel else ''}.onnx"
        if path.exists():
            continue
        activation, weight = (QuantType[name] for name in SCHEMES[scheme])
        quantize_static(
            prepared,
            path,
            Reader(),
            quant_format=QuantFormat[form],
            activation_type=activation,
            weight_type=weight,
            per_channel=per_channel,
        )
    for weight, per_channel in product(("QInt8", "QUInt8"), (True, False)):
        path = folder / f"dynamic {weight}{' per channel' if per_channel else ''}.onnx"
        if not path.exists():
            quantize_dynamic(prepared, path, weight_type=QuantType[weight], per_channel=per_channel)


def preprocessed(folder: Path) -> Path:
    """The file as onnxruntime's quantizers want it."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = onnx.load_model(folder / "float.onnx")
    del model.graph.value_info[:]  # an exporter's covers initializers, on which they die
    bare, prepared = folder / "bare.onnx", folder / "prepared.onnx"
    onnx.save_model(model, bare)
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)  # it leaves files where it runs
        try:
            quant_pre_process(bare, prepared, skip_symbolic_shape=True)
        finally:
            os.chdir(before)
    return prepared


def by_nncf(folder: Path) -> None:
    """NNCF's post-training quantization as it comes, and with its settings for transformers."""
    import nncf

    settings: dict[str, dict[str, Any]] = {
        "NNCF": {},
        "NNCF mixed": {"preset": nncf.QuantizationPreset.MIXED},
    }
    if "input_ids" in next(samples(folder)):
        settings["NNCF transformer"] = {"model_type": nncf.ModelType.TRANSFORMER}
    given = list(samples(folder))
    for name, options in settings.items():
        path = folder / f"{name}.onnx"
        if path.exists():
            continue
        model = onnx.load_model(folder / "float.onnx")
        quantized = nncf.quantize(model, nncf.Dataset(given), subset_size=len(given), **options)
        onnx.save_model(quantized, path)


if __name__ == "__main__":
    (by_nncf if importlib.util.find_spec("nncf") else by_onnxruntime)(Path(sys.argv[1]).resolve())
