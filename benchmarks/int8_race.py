"""Sessions side by side: interleaved times, intervals of ratios, answers against float."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the module is loaded

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    Sample = dict[str, np.ndarray]

RESAMPLES = 2000


@dataclass(frozen=True)
class Times:
    """Medians of each round, in milliseconds.

    Attributes:
        process: Processor time.
        wall: Time on the clock.
    """

    process: np.ndarray
    wall: np.ndarray


@dataclass(frozen=True)
class Interval:
    """A ratio and its 95 % interval."""

    ratio: float
    low: float
    high: float


def open_model(path: Path) -> onnxruntime.InferenceSession | None:
    """A session on one thread, or None for a file that onnxruntime cannot load."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - a peer's file may be anything
        print(f"  {path.stem} does not load: {str(error).splitlines()[0][:100]}")
        return None


def open_running(paths: Sequence[Path], sample: Sample) -> dict[str, onnxruntime.InferenceSession]:
    """By name, sessions that have run a sample twice; a file that cannot is told and left out."""
    running = {}
    for path in paths:
        session = open_model(path)
        try:
            if session is not None:
                session.run(None, sample)
                session.run(None, sample)
                running[path.stem] = session
        except Exception as error:  # noqa: BLE001 - a peer's file may be anything
            print(f"  {path.stem} does not run: {str(error).splitlines()[0][:100]}")
    return running


def race(
    sessions: Mapping[str, onnxruntime.InferenceSession],
    samples: Sequence[Sample],
    *,
    rounds: int,
    runs: int,
) -> dict[str, Times]:
    """Every session in every round, in an order of its own, on the same samples."""
    random = np.random.default_rng(0)
    medians: dict[str, list[tuple[float, float]]] = {name: [] for name in sessions}
    for number in range(rounds):
        chosen = [samples[(number * runs + run) % len(samples)] for run in range(runs)]
        for name in random.permutation(list(sessions)):
            taken = []
            for sample in chosen:
                process, wall = time.process_time_ns(), time.perf_counter_ns()
                sessions[name].run(None, sample)
                taken.append((time.process_time_ns() - process, time.perf_counter_ns() - wall))
            medians[name].append(tuple(np.median(taken, axis=0) / 1e6))
    return {name: Times(*np.array(rows).T) for name, rows in medians.items()}


def paired(ours: np.ndarray, theirs: np.ndarray) -> Interval:
    """The ratio of two medians, its interval by resampling rounds in pairs."""
    random = np.random.default_rng(0)
    picked = random.integers(0, len(ours), (RESAMPLES, len(ours)))
    ratios = np.median(ours[picked], axis=1) / np.median(theirs[picked], axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Interval(float(np.median(ours) / np.median(theirs)), float(low), float(high))


def one_by_one(arrays: Mapping[str, np.ndarray]) -> Iterator[Sample]:
    """The samples, each as a batch of one."""
    for index in range(len(next(iter(arrays.values())))):
        yield {name: array[index : index + 1] for name, array in arrays.items()}


def logits(session: onnxruntime.InferenceSession, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Answers [samples, classes]."""
    return np.concatenate([session.run(None, sample)[0] for sample in one_by_one(arrays)])


def agreement(found: np.ndarray, expected: np.ndarray) -> float:
    """Share of samples whose best class is the same."""
    return float(np.mean(found.argmax(1) == expected.argmax(1)))


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """Mean absolute difference of logits, in standard deviations of the float ones."""
    return float(np.abs(found - expected).mean() / expected.std())
