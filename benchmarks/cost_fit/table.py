"""The table of errors that a fit prints, and the same as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.cost.accuracy import fit_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from folds import Guess

    from edgedistill.core.fitted import FitError, IntervalFactors

HEADER = (
    f"{'percent':62} {'n':>4} | {'MAPE':>6} {'median':>6} {'<=10':>5} {'p90':>6} {'bias':>6} | "
    f"{'constant':>8} | {'regret':>6} {'most':>6} | {'factor':>6} {'held':>5}"
)


def error_of(guesses: Sequence[Guess]) -> FitError:
    """Percentage errors of estimates, and of the baseline beside them."""
    return fit_error(
        np.array([one.estimate_s for one in guesses]),
        np.array([one.measurement.latency_s for one in guesses]),
        np.array([one.baseline_s for one in guesses]),
    )


def error_of_devices(guesses: Sequence[Guess]) -> FitError:
    """Percentage errors where each device counts the same, however many networks it ran."""
    devices = sorted({one.measurement.device for one in guesses})
    groups = [[one for one in guesses if one.measurement.device == name] for name in devices]
    longest = max(len(group) for group in groups)
    return error_of([group[place % len(group)] for group in groups for place in range(longest)])


def regret_percent(guesses: Sequence[Guess]) -> tuple[float, float]:
    """What is lost when the estimates pick the faster of two networks on one device.

    Returns:
        Mean and greatest loss over all pairs, in percent of the faster one's latency; 0 where the
        faster one was picked.
    """
    ordered = sorted(guesses, key=lambda one: one.measurement.device)
    losses = [np.zeros(0)]
    for _, group in groupby(ordered, key=lambda one: one.measurement.device):
        own = list(group)
        measured = np.array([one.measurement.latency_s for one in own])
        estimated = np.array([one.estimate_s for one in own])
        first, second = np.triu_indices(len(own), 1)
        picked = np.where(estimated[first] <= estimated[second], measured[first], measured[second])
        losses.append(100 * (picked / np.minimum(measured[first], measured[second]) - 1))
    every = np.concatenate(losses)
    return (float(every.mean()), float(every.max())) if every.size else (0.0, 0.0)


@dataclass
class Table:
    """Lines as they are found; printed at once, kept for JSON."""

    lines: list[dict[str, object]] = field(default_factory=list)

    def add(
        self, title: str, guesses: Sequence[Guess], interval: IntervalFactors | None = None
    ) -> None:
        """Prints one line.

        Args:
            title: Which measurements, and what the fit had seen.
            guesses: Estimates of them.
            interval: The interval that goes with such estimates, to tell how many it holds.
        """
        if not self.lines:
            print(HEADER)
        error = error_of(guesses)
        ratios = np.array([one.log_ratio for one in guesses])
        mean, most = regret_percent(guesses)
        bias = 100 * (float(np.exp(ratios.mean())) - 1)
        held = None
        if interval is not None:
            held = float((np.abs(ratios) <= np.log(interval.high)).mean())
        self.lines.append(
            {
                "estimates": title,
                "measurements": len(guesses),
                **error.model_dump(),
                "bias_percent": bias,
                "regret_mean_percent": mean,
                "regret_most_percent": most,
                "interval_factor": None if interval is None else interval.high,
                "interval_held_fraction": held,
            }
        )
        ends = "" if interval is None else f"{interval.high:6.2f} {100 * (held or 0):5.0f}"
        print(
            f"{title:62} {len(guesses):4} | {error.mean_percent:6.1f} {error.median_percent:6.1f} "
            f"{100 * error.within_10_percent_fraction:5.0f} {error.p90_percent:6.1f} "
            f"{bias:+6.1f} | {error.macs_constant_mean_percent or 0:8.1f} | "
            f"{mean:6.2f} {most:6.1f} | {ends}"
        )

    def write(self, file: Path) -> None:
        """Writes all lines as JSON."""
        file.write_text(json.dumps(self.lines, indent=1) + "\n", encoding="utf-8")
