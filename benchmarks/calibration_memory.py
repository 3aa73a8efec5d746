"""Memory and time of calibration beside onnxruntime's own calibrators, and how ranges agree.

    python benchmarks/calibration_memory.py [--samples 50 1000] [--library 50] [--write]

Each calibration runs in a process of its own, on one thread; ours and the library's take turns. The
library's histogram methods are given no more than `--library` samples, because they hold every
activation of each. `--write` writes `benchmarks/results/calibration_memory.json`.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cost_memory_networks import NETWORKS

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "calibration_memory.json"
CHOSEN = (
    "MobileNetV2 0.35, 96",
    "MobileNetV2 1.0, 224",
    "ResNet-18, 224",
    "ViT-Ti/16, 224",
    "keyword spotting 49x10",
)
METHODS = (
    "min-max",
    "moving-average",
    "exponential-average",
    "percentile",
    "entropy",
    "mean-squared-error",
)
BINS = {"percentile": 2048, "entropy": 512}
PAIRED = {
    "min-max": "min-max",
    "moving-average": "moving-average",
    "percentile": "percentile",
    "entropy": "entropy",
    "entropy, for time": "entropy as it comes",  # 128 bins, one candidate: no search at all
}


def run(model: Path, method: str, samples: int, whose: str) -> dict[str, Any]:
    """One calibration in a process of its own."""
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "calibration_memory_process.py"),
            *(str(model), method, str(samples), whose),
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def memory(model: Path, method: str, samples: list[int]) -> dict[str, float]:
    """Peak megabytes by number of samples."""
    return {str(many): run(model, method, many, "ours")["peak_bytes"] / 1e6 for many in samples}


def beside(model: Path, method: str, samples: int, rounds: int) -> dict[str, Any]:
    """Ours and the library's, in turns: medians of seconds and of megabytes, and the ranges."""
    extremes = run(model, "min-max", samples, "ours")["ranges"]
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(run(model, method.split(",")[0], samples, "ours"))
        theirs.append(run(model, PAIRED[method], samples, "onnxruntime"))

    def median(rows: list[dict[str, Any]], key: str) -> float:
        return statistics.median(row[key] for row in rows)

    return {
        "samples": samples,
        "seconds": median(ours, "seconds"),
        "library_seconds": median(theirs, "seconds"),
        "seconds_ratio": median(ours, "seconds") / median(theirs, "seconds"),
        "peak_mb": median(ours, "peak_bytes") / 1e6,
        "library_peak_mb": median(theirs, "peak_bytes") / 1e6,
        **agreement(ours[0]["ranges"], theirs[0]["ranges"], extremes, BINS.get(method)),
    }


def agreement(
    ours: dict[str, list[float]],
    theirs: dict[str, list[float]],
    extremes: dict[str, list[float]],
    bins: int | None,
) -> dict[str, Any]:
    """How far ranges are apart, in bins of the library or else as a share of the extremes."""
    off = []
    for name, (low, high) in theirs.items():
        reach = 2 * max(map(abs, extremes[name]))
        distance = max(abs(ours[name][0] - low), abs(ours[name][1] - high))
        off.append(distance * (bins or 1) / (reach or 1.0))
    return {
        "tensors": len(off),
        "same_tensors": sum(distance == 0 for distance in off),
        "farthest": max(off),
        "in": "bins" if bins else "ranges",
    }


def missed(record: dict[str, Any]) -> list[str]:
    """What is above its bar: memory that grows, time above the library's, ranges a bin apart."""
    faults = [
        f"{name}, {method}: memory grows {max(peaks.values()) / min(peaks.values()):.2f}x"
        for name, methods in record["memory_mb"].items()
        for method, peaks in methods.items()
        if not max(peaks.values()) <= 1.1 * min(peaks.values())
    ]
    for name, methods in record["beside_onnxruntime"].items():
        for method, row in methods.items():
            if method not in METHODS:  # another method, shown for its time
                continue
            if not row["seconds_ratio"] <= 1:
                faults.append(f"{name}, {method}: {row['seconds_ratio']:.2f}x the library's time")
            bar = 0.0 if method == "min-max" else 1.001 if row["in"] == "bins" else 1e-6
            if not row["farthest"] <= bar:
                faults.append(f"{name}, {method}: ranges {row['farthest']:.3g} {row['in']} apart")
    return faults


def main() -> None:
    """Measures, prints, and writes the record where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[50, 1000])
    parser.add_argument("--library", type=int, default=50, help="samples of the comparison")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the comparison")
    parser.add_argument("--memory-of", nargs="*", default=["MobileNetV2 0.35, 96"])
    parser.add_argument("--networks", nargs="+", default=CHOSEN)
    parser.add_argument("--write", action="store_true", help="write the record")
    arguments = parser.parse_args()
    record: dict[str, Any] = {
        "conditions": {
            "machine": platform.machine(),
            "onnxruntime": version("onnxruntime"),
            "python": platform.python_version(),
            "threads": 1,
            "rounds": arguments.rounds,
        },
        "memory_mb": {},
        "beside_onnxruntime": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for place, name in enumerate(dict.fromkeys([*arguments.networks, *arguments.memory_of])):
            model = Path(folder) / f"{place}.onnx"
            NETWORKS[name](model)
            if name in arguments.memory_of:
                print(f"\n{name}: peak MB with {arguments.samples} samples", flush=True)
                for method in METHODS:
                    peaks = memory(model, method, arguments.samples)
                    record["memory_mb"].setdefault(name, {})[method] = peaks
                    first, *_, last = peaks.values()
                    cells = " ".join(f"{peak:9.1f}" for peak in peaks.values())
                    print(f"  {method:20} {cells}  {last / first:6.3f}x", flush=True)
            if name in arguments.networks:
                print(f"\n{name}: {arguments.library} samples beside onnxruntime", flush=True)
                for method in PAIRED:
                    row = beside(model, method, arguments.library, arguments.rounds)
                    record["beside_onnxruntime"].setdefault(name, {})[method] = row
                    print(
                        f"  {method:17} {row['seconds']:7.2f} s {row['library_seconds']:7.2f} s "
                        f"{row['seconds_ratio']:5.2f}x  {row['peak_mb']:7.0f} MB "
                        f"{row['library_peak_mb']:7.0f} MB  same {row['same_tensors']} of "
                        f"{row['tensors']}, farthest {row['farthest']:.3g} {row['in']}",
                        flush=True,
                    )
    if arguments.write:
        RESULT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"written: {RESULT}")
    faults = missed(record)
    print("\n".join(["", *faults]) if faults else "\nevery bar is kept")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
