"""Processor time of `edgedistill --help` against an empty click program's, side by side.

Both are started in turns, in a random order within each round, and their processor time (user plus
system, as the kernel accounts it for the finished process) is compared round by round. Prints the
median ratio with a 95 % interval of order statistics. Exits 1 unless the whole interval is at or
below the bar.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import median

from edgedistill.bench.statistics import order_bounds

BAR = 2.0
CONFIDENCE = 0.95
WARMUP_ROUNDS = 3
EMPTY = """
import click

@click.command()
def main() -> None:
    \"\"\"Do nothing.\"\"\"

main(["--help"])
"""
# Ours first: the ratio is the first over the second.
COMMANDS = {
    "edgedistill --help": [str(Path(sys.executable).with_name("edgedistill")), "--help"],
    "empty click program --help": [sys.executable, "-c", EMPTY],
}


def processor_time_ms(command: list[str]) -> float:
    """User and system time of one run of a command, in milliseconds."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with exit code {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1e3


def measure(rounds: int, seed: int) -> dict[str, list[float]]:
    """Command to its processor times in milliseconds, one a round, warm-up left out."""
    order = random.Random(seed)
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(-WARMUP_ROUNDS, rounds):
        for name in order.sample(list(COMMANDS), k=len(COMMANDS)):
            time_ms = processor_time_ms(COMMANDS[name])
            if turn >= 0:
                samples[name].append(time_ms)
    return samples


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """The median between the two order statistics that hold it at the wanted confidence."""
    bounds = order_bounds(len(values), 0.5, CONFIDENCE)
    if bounds is None:
        raise SystemExit("too few rounds for an interval: give --rounds 6 or more")
    ordered = sorted(values)
    return ordered[bounds[0] - 1], median(ordered), ordered[bounds[1] - 1]


def main() -> None:
    """Measures, prints, and exits 1 where the bar is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    samples = measure(given.rounds, given.seed)
    print(f"processor time (user + system), n = {given.rounds} each, interleaved")
    for name, values in samples.items():
        low, middle, high = median_interval(values)
        print(f"  {name:28} median {middle:6.1f} ms  [{low:.1f}, {high:.1f}]")
    ratios = [ours / theirs for ours, theirs in zip(*samples.values(), strict=True)]
    low, middle, high = median_interval(ratios)
    kept = high <= BAR
    print(f"  ratio per round              median {middle:6.2f}     [{low:.2f}, {high:.2f}]")
    print(f"  bar: at most {BAR}: {'kept' if kept else 'missed'}")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
