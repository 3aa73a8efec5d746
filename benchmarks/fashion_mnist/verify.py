"""Reproduces a finished run's figures from its .onnx files and the IDX test set alone.

Uses numpy, onnx and onnxruntime, and nothing of the product: its own IDX reader, its own reading of
the preprocessing that the model file carries, its own count of multiply-accumulates, its own clock.
Prints accuracy, MACs and median latency, holds them against the bars and against report.json, and
exits 1 where a bar is missed or a figure of the report is not reproduced.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnx
import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "fashion-mnist"
STEPS = ("teacher", "distilled", "pruned", "int8")

MIN_TEACHER_ACCURACY = 0.925
MAX_DROP = 0.01
MIN_MACS_RATIO = 8.0
MIN_SPEEDUP = 4.0

ACCURACY_TOLERANCE = 0.0003
"""Three of 10,000 pictures: a batch of another size may round a tie the other way."""
SPEEDUP_TOLERANCE = 0.3
"""Relative: two measurements at different moments on a machine that others may share."""


@dataclass(frozen=True)
class Figures:
    """What was found about one model file."""

    accuracy: float
    macs: int
    size_bytes: int
    wall_p50_ms: float
    cpu_p50_ms: float
    sha256: str


def read_test_set(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [10000, 28, 28] and labels [10000]."""
    pictures = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(pictures, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8).astype(np.int64),
    )


def network_inputs(pictures: np.ndarray, model: onnx.ModelProto) -> np.ndarray:
    """What the model file itself says must be done to a grey picture: float32 [n, 1, 28, 28].

    Raises:
        ValueError: If the file asks for something that this script does not do.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    declared = json.loads(metadata["edgedistill.preprocessing"])
    if declared["kind"] != "image" or declared["color"] != "grey" or declared["layout"] != "nchw":
        raise ValueError(f"a grey picture in nchw was expected, the file declares {declared}")
    if declared.get("resize") or declared.get("center_crop"):
        raise ValueError(f"no resizing or cropping was expected, the file declares {declared}")
    (mean,), (std,) = declared["mean"], declared["std"]
    scaled = pictures.astype(np.float64) * declared["scale"]
    return ((scaled - mean) / std).astype(np.float32)[:, None]


def count_macs(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of one inference: Conv, Gemm and MatMul, in float or between QDQ."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in inferred.graph.initializer}
    for value in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output):
        dims = value.type.tensor_type.shape.dim
        shapes.setdefault(value.name, tuple(dim.dim_value or 1 for dim in dims))
    total = 0
    for node in inferred.graph.node:
        if node.op_type == "Conv":
            weights = shapes[node.input[1]]
            total += math.prod(shapes[node.output[0]][1:]) * math.prod(weights[1:])
        elif node.op_type == "Gemm":
            total += math.prod(shapes[node.input[1]])
        elif node.op_type == "MatMul":
            total += math.prod(shapes[node.output[0]][1:]) * shapes[node.input[1]][-2]
        elif node.op_type in ("ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul"):
            raise ValueError(f"{node.op_type} is not counted here")
    return total


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session with one thread on the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def accuracy(
    session: onnxruntime.InferenceSession, inputs: np.ndarray, labels: np.ndarray
) -> float:
    """Share of pictures whose largest output is the label's.

    Raises:
        ValueError: If an output is not a finite number.
    """
    name = session.get_inputs()[0].name
    batches = [
        session.run(None, {name: inputs[start : start + 250]})[0]
        for start in range(0, len(inputs), 250)
    ]
    logits = np.concatenate(batches)
    if not np.isfinite(logits).all() or len(logits) != len(labels):
        raise ValueError("outputs are missing or not finite")
    return float((logits.argmax(1) == labels).mean())


def medians_ms(
    sessions: Mapping[str, onnxruntime.InferenceSession],
    inputs: Mapping[str, np.ndarray],
    *,
    rounds: int,
) -> dict[str, tuple[float, float]]:
    """Median wall and processor milliseconds of one picture; every model in every round.

    Ten runs a round, after three that do not count, the models in a new order each round.
    """
    order = np.random.default_rng(0)
    wall: dict[str, list[int]] = {name: [] for name in sessions}
    used: dict[str, list[int]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name in order.permutation(list(sessions)):
            session = sessions[name]
            feed = {session.get_inputs()[0].name: inputs[name][:1]}
            for run in range(13):
                wall_start, used_start = time.perf_counter_ns(), time.process_time_ns()
                session.run(None, feed)
                used_ns = time.process_time_ns() - used_start
                wall_ns = time.perf_counter_ns() - wall_start
                if run >= 3:
                    wall[name].append(wall_ns)
                    used[name].append(used_ns)
    return {
        name: (float(np.median(wall[name])) / 1e6, float(np.median(used[name])) / 1e6)
        for name in sessions
    }


def measure(target: Path, data: Path, *, rounds: int) -> dict[str, Figures]:
    """The figures of every step of the waterfall that the run left, and of what ships."""
    files = {step: target / "waterfall" / f"{step}.onnx" for step in STEPS}
    files["ships"] = target / "model.onnx"
    files = {step: path for step, path in files.items() if path.is_file()}
    pictures, labels = read_test_set(data)
    models = {step: onnx.load(path) for step, path in files.items()}
    inputs = {step: network_inputs(pictures, model) for step, model in models.items()}
    sessions = {step: open_session(path) for step, path in files.items()}
    latency = medians_ms(sessions, inputs, rounds=rounds)
    return {
        step: Figures(
            accuracy=accuracy(sessions[step], inputs[step], labels),
            macs=count_macs(models[step]),
            size_bytes=path.stat().st_size,
            wall_p50_ms=latency[step][0],
            cpu_p50_ms=latency[step][1],
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for step, path in files.items()
    }


def print_table(found: Mapping[str, Figures], rounds: int) -> None:
    """One line a model."""
    teacher = found["teacher"]
    print(f"onnxruntime {onnxruntime.__version__}, 1 thread, batch 1, {rounds} rounds x 10 runs")
    print("model       test acc.    MACs        ratio   p50 wall    ratio   p50 cpu     ratio")
    for step, figures in found.items():
        print(
            f"{step:10s}  {100 * figures.accuracy:7.2f} %  {figures.macs / 1e6:7.3f} M  "
            f"{teacher.macs / figures.macs:6.2f}x  {figures.wall_p50_ms:7.4f} ms  "
            f"{teacher.wall_p50_ms / figures.wall_p50_ms:5.2f}x  {figures.cpu_p50_ms:7.4f} ms  "
            f"{teacher.cpu_p50_ms / figures.cpu_p50_ms:5.2f}x"
        )


def bars(found: Mapping[str, Figures]) -> list[tuple[str, bool]]:
    """Each bar in words, and whether it is kept by the model that ships."""
    teacher, ships = found["teacher"], found["ships"]
    drop = teacher.accuracy - ships.accuracy
    macs = teacher.macs / ships.macs
    speedup = teacher.wall_p50_ms / ships.wall_p50_ms
    int8 = "int8" in found and found["int8"].sha256 == ships.sha256
    return [
        ("the model that ships is the int8 one", int8),
        (
            f"teacher {100 * teacher.accuracy:.2f} % >= {100 * MIN_TEACHER_ACCURACY:.1f} %",
            teacher.accuracy >= MIN_TEACHER_ACCURACY,
        ),
        (f"drop {100 * drop:.2f} <= {100 * MAX_DROP:.1f} points", drop <= MAX_DROP),
        (f"MACs {macs:.2f}x >= {MIN_MACS_RATIO:g}x fewer", macs >= MIN_MACS_RATIO),
        (f"p50 {speedup:.2f}x >= {MIN_SPEEDUP:g}x lower", speedup >= MIN_SPEEDUP),
    ]


def against_report(
    found: Mapping[str, Figures], report: Mapping[str, Any]
) -> list[tuple[str, bool]]:
    """Each figure of the report in words, and whether it was reproduced here."""
    rows = {row["step"]: row for row in report["rows"]}
    teacher = found["teacher"]
    checks = [("the report has the steps found", set(rows) == set(found) - {"ships"})]
    for step, row in rows.items():
        own = found.get(step)
        if own is None:
            continue
        said = row["test_accuracy"]["value"]
        near = abs(said - own.accuracy) <= ACCURACY_TOLERANCE
        checks += [
            (f"{step}: sha256", row["model_sha256"] == own.sha256),
            (f"{step}: test accuracy {100 * said:.2f} % is {100 * own.accuracy:.2f} %", near),
            (
                f"{step}: MACs {row['macs']['value']:.0f} are {own.macs}",
                row["macs"]["value"] == own.macs,
            ),
            (f"{step}: size", round(row["size_mb"]["value"] * 1e6) == own.size_bytes),
        ]
        faster = (row["latency"] or {}).get("speedup")
        if faster:
            ratio = teacher.cpu_p50_ms / own.cpu_p50_ms
            near = abs(faster["value"] / ratio - 1) <= SPEEDUP_TOLERANCE
            checks.append((f"{step}: speed-up {faster['value']:.2f}x is {ratio:.2f}x here", near))
    return checks


def print_checks(title: str, checks: list[tuple[str, bool]]) -> bool:
    """One line a check; whether all hold."""
    print(f"\n{title}")
    for words, held in checks:
        print(f"  {'kept  ' if held else 'MISSED'}  {words}")
    return all(held for _, held in checks)


def main() -> int:
    """0 where every bar is kept and every figure reproduced, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the folder given to compress --out")
    parser.add_argument("--target", default="host")
    parser.add_argument("--data", type=Path, default=DEFAULT_FOLDER, help="the IDX files' folder")
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    if not (arguments.data / "t10k-images-idx3-ubyte.gz").is_file():
        print(f"SKIPPED: {arguments.data} does not hold the test set. Give its folder with --data.")
        return 0
    target = arguments.run / "targets" / arguments.target
    if not (target / "report.json").is_file():
        print(f"{target}: holds no report.json. Give the --out folder of a finished run.")
        return 1
    found = measure(target, arguments.data, rounds=arguments.rounds)
    report = json.loads((target / "report.json").read_text())
    print_table(found, arguments.rounds)
    kept = print_checks("bars", bars(found))
    same = print_checks("figures of report.json", against_report(found, report))
    return 0 if kept and same else 1


if __name__ == "__main__":
    sys.exit(main())
