"""Does a network ship in the way that is fastest on this machine, be that plain fp32?

    python benchmarks/int8_not_worth_it.py [--rounds 60] [--folder DIR]

The network is the person detector of MLPerf Tiny (Visual Wake Words): MobileNet v1 of width 0.25 at
96x96 (Howard et al. 2017, arXiv 1704.04861), of which int8 was slower than fp32 in every scheme on
an x86 with AVX512-VNNI. It learns to tell crops of two photographs apart, for a few steps, then
goes the whole road. The choice is held against a measurement of this script's own, with no line of
the product: interleaved rounds on one thread, processor time, the median of the rounds' ratios with
an interval by order statistics.

Exits 1 where another candidate that keeps the accuracy is faster than the one that ships by more
than `MARGIN`, with its whole interval: two measurements of one machine differ by as much.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch
from sklearn.datasets import load_sample_images
from torch import nn

import edgedistill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.report import Report

MARGIN = 1.02
SIDE = 96
WIDTHS = (8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
"""Channels after the first convolution and after each block, a quarter of the paper's table 1."""
HALVES = (2, 4, 6, 12)
"""The blocks that halve the picture, counted from 1."""
STEPS, BATCH = 60, 32
RUNS = 5


def mobilenet() -> nn.Module:
    """MobileNet v1 0.25 with two classes."""
    layers: list[nn.Module] = [*_convolution(3, WIDTHS[0], kernel=3, stride=2)]
    for block, (inputs, outputs) in enumerate(pairwise(WIDTHS), start=1):
        stride = 2 if block in HALVES else 1
        layers += _convolution(inputs, inputs, kernel=3, stride=stride, groups=inputs)
        layers += _convolution(inputs, outputs, kernel=1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], 2))


def _convolution(
    inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    convolution = nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def crops(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Crops of two photographs, uint8 `[count, 96, 96, 3]`, and which one each is of."""
    random = np.random.default_rng(seed)
    photographs = load_sample_images().images
    labels = random.integers(0, 2, count)
    found = []
    for label in labels:
        picture = photographs[label]
        top, left = (int(random.integers(0, size - SIDE)) for size in picture.shape[:2])
        found.append(picture[top : top + SIDE, left : left + SIDE])
    return np.stack(found), labels.astype(np.int64)


def teach(network: nn.Module, pictures: np.ndarray, labels: np.ndarray) -> None:
    """A few steps of training, so that batch statistics and answers are no accident."""
    inputs = torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    targets, generator = torch.from_numpy(labels), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    network.train()
    for _ in range(STEPS):
        batch = torch.randint(len(inputs), (BATCH,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs[batch]), targets[batch]).backward()
        optimizer.step()
    network.eval()


def run(folder: Path) -> edgedistill.CompressionRun:
    """The network on the whole road, for this machine."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    train, validation = crops(512, seed=1), crops(256, seed=2)
    network = mobilenet()
    teach(network, *train)
    return edgedistill.compress(
        teacher=network,
        data={
            "train": train,
            "validation": validation,
            "class_names": ["china", "flower"],
            "preprocessing": {"kind": "image", "color": "rgb", "scale": 1 / 255, "layout": "nchw"},
            "splits": {"calibration": 64},
        },
        targets={"host": {"budget": {"max_accuracy_drop": 0.02}}},
        stages={"distill": None, "benchmark": {"rounds": 40, "runs_per_round": RUNS}},
        out=folder,
        threads=1,
    )


def measure(models: Mapping[str, Path], rounds: int) -> dict[str, list[float]]:
    """Processor time of each model in each round, in milliseconds an inference."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    sessions = {
        name: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for name, path in models.items()
    }
    picture = crops(1, seed=3)[0].transpose(0, 3, 1, 2).astype(np.float32) / 255
    random = np.random.default_rng(0)
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(rounds + 3):
        for name in random.permutation(list(sessions)):
            session = sessions[name]
            feed = {session.get_inputs()[0].name: picture}
            start = time.process_time_ns()
            for _ in range(RUNS):
                session.run(None, feed)
            if turn >= 3:  # the first ones warm up
                taken[name].append((time.process_time_ns() - start) / RUNS / 1e6)
    return taken


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """Median and its 95 % interval by order statistics (normal approximation of the binomial)."""
    ordered = sorted(ratios)
    reach = 1.96 * math.sqrt(len(ordered)) / 2
    low = max(0, math.floor(len(ordered) / 2 - reach))
    high = min(len(ordered) - 1, math.ceil(len(ordered) / 2 + reach))
    return statistics.median(ordered), ordered[low], ordered[high]


def agrees(report: Report, taken: Mapping[str, list[float]]) -> bool:
    """Prints every candidate beside the script's own figures; whether the choice stands."""
    shipped = next(one for one in report.candidates if one.ships)
    right = True
    print(f"{'candidate':14s} {'ships':>5s} {'keeps':>5s}  {'vs fp32 (product)':>22s}", end="")
    print(f"  {'vs fp32 (script)':>22s}  {'vs shipped (script)':>22s}")
    for one in report.candidates:
        if one.name not in taken:
            print(f"{one.name:14s} not made: {one.reason}")
            continue
        own = taken[one.name]
        ratios = {
            against: interval([b / a for a, b in zip(own, taken[against], strict=True)])
            for against in ("fp32", shipped.name)
        }
        product = one.speedup
        cells = [
            "-" if product is None else _written(product.value, product.low, product.high),
            *(_written(*figures) for figures in ratios.values()),
        ]
        cells += [cells[-1]] * (3 - len(cells))
        keeps = "yes" if one.keeps_accuracy else "no"
        ships = "yes" if one.ships else ""
        print(f"{one.name:14s} {ships:>5s} {keeps:>5s}  " + "  ".join(f"{c:>22s}" for c in cells))
        if one.keeps_accuracy and ratios[shipped.name][1] > MARGIN:
            right = False
            print(f"  {one.name} is faster than {shipped.name}, which ships")
    return right


def _written(value: float, low: float, high: float) -> str:
    return f"{value:.2f}x [{low:.2f}, {high:.2f}]"


def main() -> int:
    """Runs the road, measures again, compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="where the run is kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "run"
        report = run(folder).reports["host"]
        models = {
            one.name: folder / "targets" / "host" / one.model
            for one in report.candidates
            if one.model is not None
        }
        right = agrees(report, measure(models, given.rounds))
    decided = "" if report.choice.decided else " (undecided)"
    print(f"ships {report.choice.variant}{decided}: {report.choice.reason}")
    print("the choice stands" if right else "THE CHOICE DOES NOT STAND")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
