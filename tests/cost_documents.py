"""A board, a shape of the cost model and small networks, as files for tests.

No shape that ships is for such a runtime on such a processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.parser

from edgedistill.catalog.yaml_file import yaml_text

if TYPE_CHECKING:
    from pathlib import Path

SHAPE: dict[str, Any] = {
    "schema_version": 1,
    "name": "test-fp32",
    "engine": "armnn",
    "precision": "fp32",
    "isa_levels": ["dotprod"],
    "bytes_per_element": 4.0,
    "shape": {
        "rates": {"depthwise": 0.1, "matmul": 0.5},
        "half_outputs": {"pointwise": 8.0, "conv-3x3": 8.0},
        "byte_macs": 5.0,
        "overhead_macs": 20000.0,
        "serial_work_fraction": 0.05,
        "serial_traffic_fraction": 0.3,
    },
    "efficiency": 0.5,
    "spreads": {
        "macs_per_s": 0.3,
        "traffic": 0.3,
        "overhead": 0.3,
        "activation": 0.2,
        "depthwise": 0.15,
    },
    "largest_overhead_fraction": 1.0,
    "intervals": {
        "few-measurements": {"low": 0.7, "high": 1.4},
        "data-sheet": {"low": 0.5, "high": 2.0, "coverage_fraction": 0.9},
    },
    "errors": {
        "data-sheet": {
            "mean_percent": 20.0,
            "median_percent": 18.0,
            "p90_percent": 40.0,
            "within_10_percent_fraction": 0.3,
            "macs_constant_mean_percent": 50.0,
        }
    },
    "measurements": 12,
    "devices": ["another board"],
    "families": ["resnet"],
    "sources": ["a publication on a desk"],
    "fitted_on": "2026-11-22",
}

ROW: dict[str, Any] = {
    "type": "conv",
    "name": "first",
    "cls": "pw",
    "macs": 16 * 16 * 64,
    "w": 16 * 16,
    "i": 16 * 64,
    "o": 16 * 64,
    "k": 1,
    "s": 1,
    "cin": 16,
    "cout": 16,
    "oh": 8,
    "ow": 8,
}
"""A convolution as a published list has it."""

PROFILE = """\
schema_version: 1
name: board
title: A board  # a comment of the maker
machine: aarch64
clusters:
  - core: Cortex-A72
    count: 4
    clock_ghz: 1.5
    fp32_flop_per_cycle: 8
    isa_flags: [neon, dotprod]
    source: a data sheet
runtimes:
  cpu:
    provider: CUDAExecutionProvider
    max_opset: 20
    max_ir_version: 10
    precisions: [fp32]
    default_precision: fp32
    source: a table of the runtime
default_runtime: cpu
converted_runtimes:
  armnn:
    # how it is built
    engine: ArmNN 21.08
    file_format: tflite
    precisions: [fp32, int8]
    threads: 1
    int8_reason: its documentation says so
    source: a table of the runtime
"""


def write_documents(folder: Path) -> Path:
    """Writes the board `board` and the shape `test-fp32` into a folder of profiles."""
    (folder / "shapes").mkdir(parents=True)
    (folder / "shapes" / "test-fp32.yaml").write_text(yaml_text(SHAPE), encoding="utf-8")
    (folder / "board.yaml").write_text(PROFILE, encoding="utf-8")
    return folder


def write_network(path: Path, channels: int = 16, pixels: int = 8, layers: int = 2) -> Path:
    """Writes a chain of pointwise convolutions, each as wide as the last."""
    steps = "\n".join(f"x{n + 1} = Conv(x{n}, w{n})" for n in range(layers))
    shape = f"N, {channels}, {pixels}, {pixels}"
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : 20]>\n'
        f"chain (float[{shape}] x0) => (float[{shape}] x{layers}) {{\n{steps}\n}}"
    )
    for layer in range(layers):
        weight = np.full((channels, channels, 1, 1), 0.01, dtype=np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight, f"w{layer}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
