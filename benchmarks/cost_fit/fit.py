"""Fits the latency model to published figures and prints its error on families it has not seen.

    python benchmarks/cost_fit/fit.py [--folder FOLDER]

Beside each line stands the baseline that most people use: multiply-accumulates times a constant,
the constant fitted to the same device and the same training rows.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from priors import NCNN, ONNX_RUNTIME_FP32
from rows import Published

from edgedistill.cost.fitting import Fitted, Measurement, Priors, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "published"


@dataclass(frozen=True)
class Guess:
    """What was said of a measurement that the fit had not seen."""

    measurement: Measurement
    estimate_s: float
    baseline_s: float


def balanced(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Weights by which no family of a device counts more than 20 rows, so that 110 drown no 5."""
    every = list(measurements)
    return [
        replace(
            one,
            weight=min(
                1.0,
                20.0 / sum(o.device == one.device and o.family == one.family for o in every),
            ),
        )
        for one in every
    ]


def baseline(known: list[Measurement], asked: Measurement) -> float:
    """Multiply-accumulates times the median seconds a multiply-accumulate of the same device."""
    own = [one for one in known if one.device == asked.device] or known
    rate = np.median([one.latency_s / one.columns.macs.sum() for one in own])
    return float(rate * asked.columns.macs.sum())


def held_out(
    measurements: list[Measurement],
    priors: Priors,
    fold: Callable[[Measurement], str],
    *,
    asked: Callable[[Measurement], bool],
    bytes_per_element: float = 4.0,
) -> tuple[list[Guess], Fitted]:
    """Guesses for every asked measurement by a fit that has not seen its fold; and the last fit."""
    guesses: list[Guess] = []
    folds = sorted({fold(one) for one in measurements if asked(one)})
    for name in folds:
        known = [one for one in measurements if fold(one) != name]
        fitted = fit(balanced(known), priors, bytes_per_element=bytes_per_element)
        guesses += [
            Guess(
                one,
                fitted.latency_s(one.columns, one.device, threads=one.threads),
                baseline(known, one),
            )
            for one in measurements
            if fold(one) == name and asked(one) and one.device in fitted.scales
        ]
    return guesses, fitted


def line(title: str, guesses: list[Guess]) -> str:
    """One row of the table: the model's errors and the baseline's."""
    measured = np.array([guess.measurement.latency_s for guess in guesses])
    parts = []
    for estimates in (
        np.array([guess.estimate_s for guess in guesses]),
        np.array([guess.baseline_s for guess in guesses]),
    ):
        errors = 100 * np.abs(estimates / measured - 1)
        parts.append(
            f"{errors.mean():6.1f} {np.median(errors):6.1f} {100 * (errors <= 10).mean():5.0f} "
            f"{np.percentile(errors, 90):6.1f}"
        )
    bias = 100 * (
        np.exp(np.mean([np.log(g.estimate_s / g.measurement.latency_s) for g in guesses])) - 1
    )
    return f"{title:58} {len(guesses):4} | {parts[0]} | {parts[1]} | {bias:+5.1f}"


HEADER = (
    f"{'percent':58} {'n':>4} | {'MAPE':>6} {'median':>6} {'<=10':>5} {'p90':>6} | "
    f"{'MAPE':>6} {'median':>6} {'<=10':>5} {'p90':>6} | bias\n"
    f"{'':58} {'':4} | {'model':^26} | {'MACs times a constant':^26} |"
)


def onnx_runtime(published: Published) -> Fitted:
    """ONNX Runtime CPU fp32, three devices."""
    rows = published.onnx_runtime_fp32()
    pi4, pi5, nano = "Raspberry Pi 4", "Raspberry Pi 5", "Jetson Nano"
    print(HEADER)
    guesses, _ = held_out(
        rows,
        ONNX_RUNTIME_FP32,
        lambda one: f"{one.device == pi4} {one.family}",
        asked=lambda one: one.device == pi4,
    )
    for name in ("yolo3", "yolo5"):
        part = [guess for guess in guesses if guess.measurement.family == name]
        print(line(f"Pi 4, {name} from the other family", part))
    variants, _ = held_out(
        rows,
        ONNX_RUNTIME_FP32,
        lambda one: f"{one.device == pi4} {one.network.split('_')[0]}",
        asked=lambda one: one.device == pi4,
    )
    print(line("Pi 4, each of 14 depth-width variants from the others", variants))
    guesses, _ = held_out(
        rows,
        ONNX_RUNTIME_FP32,
        lambda one: f"{one.device} {one.network}" if one.device == pi5 else one.device,
        asked=lambda one: one.device == pi5,
    )
    print(line("Pi 5, each of 5 rows from the other 4", guesses))
    guesses, _ = held_out(
        rows,
        ONNX_RUNTIME_FP32,
        lambda one: f"{one.device} {one.family}",
        asked=lambda one: one.device == nano,
    )
    print(line("Jetson Nano, each classification family from the others", guesses))
    for guess in guesses:
        ratio = guess.estimate_s / guess.measurement.latency_s
        print(f"    {guess.measurement.network:30} {ratio:.2f}")
    for device, source, peak_ratio in ((pi5, pi4, 153.6 / 48), (nano, pi4, 45.8 / 48)):
        print(
            line(
                f"{device} from {source} and the ratio of peaks",
                sheet(rows, device, source, peak_ratio),
            )
        )
    return fit(balanced(rows), ONNX_RUNTIME_FP32, bytes_per_element=4.0)


def sheet(rows: list[Measurement], device: str, source: str, peak_ratio: float) -> list[Guess]:
    """Guesses for a device that gave no row at all."""
    known = [one for one in rows if one.device != device]
    fitted = fit(balanced(known), ONNX_RUNTIME_FP32, bytes_per_element=4.0)
    scale = fitted.scales[source]
    scale = scale.model_copy(update={"macs_per_s": scale.macs_per_s * peak_ratio})
    moved = Fitted(shape=fitted.shape, scales={device: scale}, bytes_per_element=4.0)
    like = [one for one in known if one.device == source]
    return [
        Guess(
            one,
            moved.latency_s(one.columns, device, threads=one.threads),
            baseline(like, one) / peak_ratio,
        )
        for one in rows
        if one.device == device
    ]


def ncnn(published: Published, precisions: tuple[str, ...], bytes_per_element: float) -> None:
    """ncnn, one thread: every family of every device from the others."""
    rows = published.ncnn_one_thread(precisions)
    counts = {one.device: 0 for one in rows}
    for one in rows:
        counts[one.device] += 1
    rows = [one for one in rows if counts[one.device] >= 4]
    guesses, fitted = held_out(
        rows,
        NCNN,
        lambda one: one.family,
        asked=lambda one: True,
        bytes_per_element=bytes_per_element,
    )
    print(HEADER)
    print(line(f"ncnn {'/'.join(precisions)}, one thread, families unseen", guesses))
    for name in sorted({g.measurement.family for g in guesses}):
        part = [g for g in guesses if g.measurement.family == name]
        print(line(f"  family {name}", part))
    for name in sorted(counts):
        part = [g for g in guesses if g.measurement.device == name]
        if part:
            print(line(f"  {name[:54]}", part))
    print(fitted.shape)


def main() -> None:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PUBLISHED)
    parser.add_argument("--only", choices=("onnxruntime", "ncnn", "int8"))
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"SKIPPED: no folder {arguments.folder}")
        return
    published = Published(arguments.folder)
    if arguments.only in (None, "onnxruntime"):
        fitted = onnx_runtime(published)
        print(fitted.shape)
        for name, scale in fitted.scales.items():
            print(name, scale)
    if arguments.only in (None, "ncnn"):
        ncnn(published, ("fp32",), 4.0)
        ncnn(published, ("fp16",), 2.0)
    if arguments.only in (None, "int8"):
        ncnn(published, ("int8",), 1.0)


if __name__ == "__main__":
    main()
