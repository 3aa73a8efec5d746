"""Processor time of `edgedistill --help` and `edgedistill gate` against an empty click program's.

Each is started in turns with the empty program, in a random order within each round, and their
processor time (user plus system, as the kernel accounts it for the finished process) is compared
round by round. Prints the median ratios with a 95 % interval of order statistics. Exits 1 unless
every whole interval is at or below its bar.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from edgedistill.bench.statistics import order_bounds
from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Conditions, Evidence, Quantity, counted, wider
from edgedistill.core.report import Choice, Latency, Provenance, Report, Row
from edgedistill.render.document import report_text

CONFIDENCE = 0.95
WARMUP_ROUNDS = 3
EMPTY = """
import click

@click.command()
def main() -> None:
    \"\"\"Do nothing.\"\"\"

main(["--help"])
"""
PROGRAM = str(Path(sys.executable).with_name("edgedistill"))
BUDGETS = """schema_version: 1
targets:
  host:
    latency_p50_ms: 5 ms
    latency_p95_ms: 8 ms
    max_accuracy_drop: 5 %
    max_size_mb: 1 MB
    min_accuracy: 80 %
"""


@dataclass(frozen=True)
class Start:
    """A command whose start is held to a bar: at most so many times the empty program."""

    title: str
    command: tuple[str, ...]
    bar: float


def starts(folder: Path) -> tuple[Start, ...]:
    """What is compared; a report, its model and a budgets file are written into the folder."""
    report, budgets = written(folder)
    files = ("--junit", str(folder / "gate.xml"), "--json", str(folder / "gate.json"))
    given = (PROGRAM, "gate", report, "--budgets", budgets, *files)
    return (
        Start("edgedistill --help", (PROGRAM, "--help"), 2.0),
        Start("edgedistill gate", (PROGRAM, "gate", report), 3.0),
        Start("edgedistill gate --budgets --junit --json", given, 3.0),
    )


def written(folder: Path) -> tuple[str, str]:
    """A report that passes, beside a model of 200 kB, and a budgets file."""
    model = random.Random(0).randbytes(200_000)
    (folder / "model.onnx").write_bytes(model)
    row = Row(
        step="int8",
        precision="int8",
        model_sha256=hashlib.sha256(model).hexdigest(),
        accuracy=quantity(0.9, 0.01),
        test_accuracy=quantity(0.9, 0.01),
        accuracy_drop=quantity(0.01, 0.01),
        agreement=quantity(0.95, 0.01),
        worst_class=None,
        worst_group=None,
        latency=Latency(
            p50_ms=quantity(2.0, 0.1),
            p90_ms=quantity(3.0, 0.1),
            p95_ms=quantity(4.0, 0.1),
            stable=True,
        ),
        size_mb=counted(0.2, "bytes of the file"),
        macs=counted(1e6, "graph"),
        parameters=counted(1e5, "graph"),
    )
    report = Report(
        schema_version=2,
        run="start",
        target="host",
        target_title="This machine",
        runtime="cpu",
        budget=Budget(latency_p95_ms=5.0, max_accuracy_drop=0.05, max_size_mb=1.0),
        rows=(row,) * 5,
        choice=Choice(step="int8", model="model.onnx", decided=True, reason="the only one"),
        conditions=Conditions(
            device="host",
            processor="a processor",
            machine="x86_64",
            runtime="onnxruntime",
            provider="CPUExecutionProvider",
            threads=1,
            operating_system="Linux",
        ),
        class_names=tuple(map(str, range(10))),
        preprocessing={},
        provenance=Provenance(
            recipe_sha256="1" * 64,
            data_sha256="2" * 64,
            data_source="none",
            seed=0,
            versions={},
            steps={},
        ),
    )
    paths = folder / "report.json", folder / "budgets.yaml"
    for path, text in zip(paths, (report_text(report), BUDGETS), strict=True):
        path.write_text(text, encoding="utf-8")
    return str(paths[0]), str(paths[1])


def quantity(value: float, half: float) -> Quantity:
    """A measured figure with every interval that a gate may ask for."""
    low, high = value - half, value + half
    return Quantity(
        value=value,
        low=low,
        high=high,
        confidence=CONFIDENCE,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=300,
        method="made up for this benchmark",
        wider=wider(low, high, CONFIDENCE, lambda _: (low, high)),
    )


def processor_time_ms(command: tuple[str, ...]) -> float:
    """User and system time of one run of a command, in milliseconds."""
    # Compiled sources are kept, as after any installation.
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=kept)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with exit code {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1e3


def measure(commands: dict[str, tuple[str, ...]], rounds: int, seed: int) -> dict[str, list[float]]:
    """Command to its processor times in milliseconds, one a round, warm-up left out."""
    order = random.Random(seed)
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(-WARMUP_ROUNDS, rounds):
        for name in order.sample(list(commands), k=len(commands)):
            time_ms = processor_time_ms(commands[name])
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
    """Measures, prints, and exits 1 where a bar is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    empty = "empty click program --help"
    with tempfile.TemporaryDirectory() as folder:
        compared = starts(Path(folder))
        commands = {empty: (sys.executable, "-c", EMPTY)}
        commands |= {one.title: one.command for one in compared}
        samples = measure(commands, given.rounds, given.seed)
    print(f"processor time (user + system), n = {given.rounds} each, interleaved")
    for name, values in samples.items():
        low, middle, high = median_interval(values)
        print(f"  {name:42} median {middle:6.1f} ms  [{low:.1f}, {high:.1f}]")
    missed = False
    for one in compared:
        ratios = [
            ours / theirs for ours, theirs in zip(samples[one.title], samples[empty], strict=True)
        ]
        low, middle, high = median_interval(ratios)
        kept = high <= one.bar
        missed = missed or not kept
        print(
            f"  {one.title:42} ratio  {middle:6.2f}     [{low:.2f}, {high:.2f}]"
            f"  bar {one.bar}: {'kept' if kept else 'missed'}"
        )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
