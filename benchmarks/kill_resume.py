"""Kills a run with SIGKILL at random moments, restarts it each time, and compares the model files.

A run is left alone first. Then runs in fresh folders are killed at random moments and started again
with the same command, until enough kills were counted; each of them must end with the same ONNX
files (sha256), byte for byte, as the one left alone, and leave nothing unfinished behind. Which
candidate ships follows from measured latency, so where a run chose another one than the reference
did, the shipped file is compared with the same candidate of the reference. A candidate that a first
look found slow in one of the two runs is not compared. Exits 1 on a difference.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECIPE = HERE / "kill_resume.yaml"
UNFINISHED = ("unfinished", "checkpoint")
"""Parts of the names of whatever the product is still writing, or has half done."""
SLOW = "as fast as the float model here"
"""Part of the reason of a candidate that a first look found slow."""
LONGEST_LIFE = 0.75
"""Share of a whole run's duration after which a life is ended at the latest."""


@dataclass(frozen=True)
class Kill:
    """When and whom."""

    after_s: float
    whole_group: bool
    """The command and all its children, or the command alone, so that a child outlives it."""


@dataclass(frozen=True)
class Life:
    """One start of the command, and how it ended."""

    killed: bool
    lasted_s: float
    steps_before: int
    steps_after: int
    last_line: str


def command(recipe: Path, out: Path) -> list[str]:
    """The command that makes or continues a run."""
    return [sys.executable, "-m", "edgedistill", "compress", str(recipe), "--out", str(out)]


def finished_steps(out: Path) -> int:
    """How many steps stand whole in the run folder."""
    return sum(
        1 for step in (out / "steps").glob("*/step.json") if not step.parent.name.startswith(".")
    )


def live(recipe: Path, out: Path, log: Path, *, kill: Kill | None) -> Life:
    """Starts the command in its own process group and kills it after a while, or waits.

    Raises:
        RuntimeError: If the command ends with a fault of its own.
    """
    before = finished_steps(out)
    start = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command(recipe, out),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=HERE.parent,
        )
        try:
            code = process.wait(timeout=kill.after_s if kill else None)
            killed = False
        except subprocess.TimeoutExpired:
            end = os.killpg if kill and kill.whole_group else os.kill
            end(process.pid, signal.SIGKILL)
            code, killed = process.wait(), True
        finally:
            process.kill()  # where this script itself is stopped
    lasted_s = time.perf_counter() - start
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if not killed and code != 0:
        raise RuntimeError(f"exit code {code}:\n" + "\n".join(lines[-15:]))
    last = lines[-1].strip() if lines else "(nothing said yet)"
    return Life(killed, lasted_s, before, finished_steps(out), last)


def model_hashes(out: Path) -> dict[str, str]:
    """Every ONNX file under targets/, by its place there, to its sha256."""
    files = sorted((out / "targets").rglob("*.onnx"))
    return {
        path.relative_to(out / "targets").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def expected_hashes(out: Path, reference: Path) -> dict[str, str]:
    """What the files of a run must be, given the reference and the run's own choices."""
    expected = model_hashes(reference)
    for report in sorted((out / "targets").glob("*/report.json")):
        document = json.loads(report.read_text())
        choice, target = document["choice"], report.parent.name
        made = next((one["model"] for one in document["candidates"] if one["ships"]), None)
        step = choice["step"]
        own = f"{target}/{made or f'waterfall/{step}.onnx'}"
        if own in seen_slow(reference):
            expected[f"{target}/{choice['model']}"] = model_hashes(out)[own]
        else:
            expected[f"{target}/{choice['model']}"] = expected[own]
    return expected


def seen_slow(out: Path) -> set[str]:
    """The places of files that a run did not make, because a first look found them slow."""
    return {
        f"{report.parent.name}/waterfall/{one['name']}.onnx"
        for report in (out / "targets").glob("*/report.json")
        for one in json.loads(report.read_text())["candidates"]
        if one["model"] is None and SLOW in one["reason"]
    }


def differences(out: Path, reference: Path) -> list[str]:
    """What differs between a run's model files and the reference's, and what was left over."""
    own, expected = model_hashes(out), expected_hashes(out, reference)
    found = [
        f"{name}: {own.get(name, 'absent')[:16]} instead of {expected.get(name, 'absent')[:16]}"
        for name in sorted((own.keys() | expected.keys()) - seen_slow(out) - seen_slow(reference))
        if own.get(name) != expected.get(name)
    ]
    left = sorted(path for part in UNFINISHED for path in out.rglob(f"*{part}*"))
    return found + [f"left over: {path.relative_to(out)}" for path in left]


def print_life(number: str, life: Life) -> None:
    """One line of the table."""
    print(
        f"{number:>5s}  {life.lasted_s:8.2f}  {life.steps_before:3d} -> {life.steps_after:3d}   "
        f"{life.last_line[:64]}",
        flush=True,
    )


def work(recipe: Path, folder: Path, *, kills: int, seed: int) -> int:
    """The whole benchmark in a folder; 0 where every run ended with the same files."""
    moments = random.Random(seed)
    reference, log = folder / "reference", folder / "last.log"
    print("run left alone ...", flush=True)
    whole = live(recipe, reference, log, kill=None)
    hashes = model_hashes(reference)
    if not hashes:
        raise RuntimeError(f"the run left no ONNX file in {reference / 'targets'}")
    print(f"  {whole.lasted_s:.1f} s, {whole.steps_after} steps, {len(hashes)} model files")
    print("\n kill  after s   steps stored  what it said last")
    counted, cycle, lives, faults = 0, 0, 0, []
    while counted < kills:
        cycle += 1
        out = folder / f"killed-{cycle}"
        ended = False
        while not ended:
            kill = Kill(
                after_s=moments.uniform(0.0, LONGEST_LIFE * whole.lasted_s),
                whole_group=moments.random() < 0.5,
            )
            life = live(recipe, out, log, kill=kill if counted < kills else None)
            counted, lives, ended = counted + life.killed, lives + 1, not life.killed
            print_life(str(counted) if life.killed else "ends", life)
        faults += [f"run {cycle}: {line}" for line in differences(out, reference)]
        shutil.rmtree(out)
    print(f"\n{counted} kills in {lives} starts of {cycle} run(s), seed {seed}")
    for name, digest in hashes.items():
        print(f"  {digest[:16]}  {name}")
    print("\n".join(f"DIFFERS  {line}" for line in faults) or "every file as in the run left alone")
    return 1 if faults else 0


def main() -> int:
    """Parses the arguments and works in a folder that is removed afterwards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--folder", type=Path, help="work here and keep it; a temporary one if absent"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments.folder:
        arguments.folder.mkdir(parents=True)
        return work(arguments.recipe, arguments.folder, kills=arguments.kills, seed=arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        return work(arguments.recipe, Path(folder), kills=arguments.kills, seed=arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
