"""By how much processes grow that run a network, beside what `edgedistill.cost.memory` says.

    python benchmarks/cost_memory.py [--write]

Each network runs in fresh processes (`cost_memory_process.py`): as users have it on x86 (blocked),
without the layouts of x86 (plain, the stand-in for other processors), and without the arena
(bare), where the process should hold just the activations that were counted. Then the growth
factors are fitted to log ratios, and every network is estimated by a fit that has not seen it (nor
its int8 twin). Baseline: the file's size times the best constant. `--write` writes
`benchmarks/results/cost_memory.json`, where the factors in `edgedistill.cost.memory` come from.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from cost_memory_networks import NETWORKS, QUANTIZED
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from scipy.optimize import least_squares

from edgedistill.cost.accuracy import interval_of_device
from edgedistill.cost.graph_memory import GraphMemory, count_memory
from edgedistill.cost.memory import Growth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "cost_memory.json"
MODES = ("plain", "blocked")
# Where the fit starts and what it is drawn back to: process, node, convolution (plain, blocked),
# matrix, quantized, other, activations (plain, blocked).
PRIOR = np.log([1e6, 8e3, 1.1, 2.7, 1.7, 2.0, 1.5, 2.0, 2.0])
PRIOR_SPREAD = 0.7  # of logarithms: a factor of two either way is no surprise
NOISE = 0.15  # of log ratios: what is left when the factors are right


@dataclass(frozen=True)
class Row:
    """One network: what was counted in its graph, and what processes grew by, in bytes."""

    network: str
    twin_of: str
    file_bytes: int
    graph: GraphMemory
    measured: dict[str, dict[str, int]]


class _OneSample(CalibrationDataReader):  # type: ignore[misc]
    """Calibration on a single random input: the memory does not depend on the ranges."""

    def __init__(self, path: Path) -> None:
        (given,) = onnx.load_model(path).graph.input
        shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
        values = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        self._left = [{given.name: values}]

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return self._left.pop() if self._left else None


def measure(folder: Path) -> list[Row]:
    """Writes all networks and their twins, and runs each in processes of its own."""
    rows = []
    for place, (name, write) in enumerate(NETWORKS.items()):
        path = folder / f"{place}.onnx"
        write(path)
        rows.append(_row(name, name, path))
        if name in QUANTIZED:
            twin = folder / f"{place}.int8.onnx"
            quantize_static(
                path,
                twin,
                _OneSample(path),
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
            )
            rows.append(_row(f"{name}, int8", name, twin))
    return rows


def _row(name: str, twin_of: str, path: Path) -> Row:
    measured = {mode: _grown(path, mode) for mode in (*MODES, "bare")}
    return Row(name, twin_of, path.stat().st_size, count_memory(path), measured)


def _grown(path: Path, mode: str) -> dict[str, int]:
    environment = dict(os.environ)
    if mode == "bare":  # every tensor is mapped alone, so that the heap's gaps do not count
        environment |= {"MALLOC_MMAP_THRESHOLD_": "16384"}
    done = subprocess.run(
        [sys.executable, str(HERE / "cost_memory_process.py"), str(path), mode],
        stdout=subprocess.PIPE,
        check=True,
        env=environment,
    )
    read: dict[str, int] = json.loads(done.stdout)
    return read


def parts(rows: list[Row]) -> Floats:
    """What growth is made of, [rows, 7]: one, nodes, four kinds of weights, activations."""
    return np.array(
        [
            [
                1,
                row.graph.nodes,
                row.graph.weights.convolution_bytes,
                row.graph.weights.matrix_bytes,
                row.graph.weights.quantized_bytes,
                row.graph.weights.other_bytes,
                row.graph.activations_peak_bytes,
            ]
            for row in rows
        ],
        dtype=float,
    )


def factors(parameters: Floats, mode: str) -> Floats:
    """The factors of a mode, [7], of the logarithms that both modes share, [9]."""
    process, node, plain, blocked, matrix, quantized, other, *activations = np.exp(parameters)
    convolution = plain if mode == "plain" else blocked
    last = activations[MODES.index(mode)]
    return np.array([process, node, convolution, matrix, quantized, other, last])


def fit(rows: list[Row]) -> Floats:
    """Logarithms of the factors by least squares of log ratios, outliers dampened, [9]."""
    counted = parts(rows)
    measured = {mode: grown(rows, mode) for mode in MODES}

    def residuals(parameters: Floats) -> Floats:
        ratios = [
            np.log(counted @ factors(parameters, mode) / measured[mode]) / NOISE for mode in MODES
        ]
        return np.concatenate([*ratios, (parameters - PRIOR) / PRIOR_SPREAD])

    found: Floats = least_squares(residuals, PRIOR, loss="soft_l1").x
    return found


def grown(rows: list[Row], mode: str) -> Floats:
    """What processes grew by, bytes, [rows]."""
    return np.array([row.measured[mode]["grown_bytes"] for row in rows], dtype=float)


def left_out(rows: list[Row], mode: str) -> tuple[Floats, Floats]:
    """Log ratios of estimate and of baseline over the measurement, [rows], each network unseen."""
    ratios, baseline = np.zeros(len(rows)), np.zeros(len(rows))
    size_bytes = np.array([row.file_bytes for row in rows], dtype=float)
    measured = grown(rows, mode)
    for name in {row.twin_of for row in rows}:
        out = np.array([row.twin_of == name for row in rows])
        known = fit([row for row in rows if row.twin_of != name])
        estimates = parts(rows)[out] @ factors(known, mode)
        ratios[out] = np.log(estimates / measured[out])
        constant = np.median(np.log(measured / size_bytes)[~out])
        baseline[out] = constant + np.log(size_bytes / measured)[out]
    return ratios, baseline


def growth(parameters: Floats, mode: str, log_ratios: Floats) -> Growth:
    """The product's factors of a mode."""
    process, node, convolution, matrix, quantized, other, activations = (
        float(f"{one:.3g}") for one in factors(parameters, mode)
    )
    return Growth(
        process_bytes=process,
        node_bytes=node,
        convolution=convolution,
        matrix=matrix,
        quantized=quantized,
        other=other,
        activations=activations,
        interval=interval_of_device(log_ratios),
        networks=len(log_ratios),
    )


def table(rows: list[Row], ratios: dict[str, Floats]) -> str:
    """What was counted and measured, in megabytes, and how far the estimates are off."""
    lines = [
        f"{'':36} {'weights':>8} {'activations':>19} | {'grown, plain':>20} | "
        f"{'grown, blocked':>20}",
        f"{'megabytes (10^6 bytes)':36} {'counted':>8} {'counted':>9} {'measured':>9} | "
        f"{'measured':>9} {'estimate':>10} | {'measured':>9} {'estimate':>10}",
    ]
    for place, row in enumerate(rows):
        cells = [f"{row.network:36} {row.graph.weights.total_bytes / 1e6:8.1f}"]
        bare = row.measured["bare"]["activations_bytes"]
        cells.append(f"{row.graph.activations_peak_bytes / 1e6:9.2f} {bare / 1e6:9.2f}")
        for mode in MODES:
            measured = row.measured[mode]["grown_bytes"] / 1e6
            off = 100 * np.expm1(ratios[mode][place])
            cells.append(f"| {measured:9.1f} {off:+8.0f} %")
        lines.append(" ".join(cells))
    return "\n".join(lines)


def summary(log_ratios: Floats) -> dict[str, float]:
    """Percentage errors of estimates."""
    off = 100 * np.abs(np.expm1(log_ratios))
    return {
        "mean_percent": round(float(off.mean()), 1),
        "median_percent": round(float(np.median(off)), 1),
        "p90_percent": round(float(np.percentile(off, 90)), 1),
    }


def main() -> None:
    """Measures, fits, prints, and writes the record where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the record")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    parameters = fit(rows)
    unseen = {mode: left_out(rows, mode) for mode in MODES}
    ratios = {mode: unseen[mode][0] for mode in MODES}
    found = {mode: growth(parameters, mode, ratios[mode]) for mode in MODES}
    print(table(rows, ratios))
    large = [row for row in rows if row.graph.activations_peak_bytes > 5e6]
    bare = np.log(
        [
            row.graph.activations_peak_bytes / row.measured["bare"]["activations_bytes"]
            for row in large
        ]
    )
    errors = {"activations above 5 MB, without arena": summary(bare)}
    for mode in MODES:
        errors[f"{mode}, networks left out"] = summary(ratios[mode])
        errors[f"{mode}, file size times a constant"] = summary(unseen[mode][1])
    for title, figures in errors.items():
        print(f"{title:44} {figures}")
    for mode in MODES:
        print(mode, found[mode])
    if arguments.write:
        record = {
            "conditions": {
                "machine": platform.machine(),
                "onnxruntime": version("onnxruntime"),
                "python": platform.python_version(),
                "threads": 1,
                "inferences": 5,
            },
            "growth": {
                mode: asdict(one) | {"interval": one.interval.model_dump()}
                for mode, one in found.items()
            },
            "errors": errors,
            "networks": [asdict(row) for row in rows],
        }
        RESULT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"written: {RESULT}")


if __name__ == "__main__":
    main()
