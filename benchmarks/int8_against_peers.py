"""Our int8 files beside onnxruntime's quantizers and NNCF: time, agreement with float, logit error.

    python benchmarks/int8_against_peers.py --nncf PYTHON --efficientnet FOLDER --pictures FOLDER

Four networks (see `int8_networks.py`); every peer of `int8_peers.py`. All files of a network run
interleaved on one thread with batch 1. A first short race leaves the peers within 15 % of the
fastest, and times ours; a second one gives the figures. The product is asked for 0.9 and 0.7 of the
best peer's relative error, on samples that judge and serve for nothing else, each with a scale per
channel of weights and with one per tensor. Ours is, as the product ships it, the fastest file in
the first race of those that keep 0.9 there; of files within 1 % of it the nearest to float. Nothing
held out decides. Bars, with 95 % intervals by resampling rounds in pairs: at most 1.03x the fastest
peer's median processor time on every network and 0.95x on two; agreement and logit error on
held-out samples no worse than the best of all peers, slow ones included. `--write` writes
`benchmarks/results/int8_against_peers.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from int8_race import Times, agreement, error, logits, one_by_one, open_running, paired, race

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "int8_against_peers.json"
DATA = HERE.parents[1] / "shared" / "data"
NAMES = ("EfficientNet-Lite0", "MobileNetV2", "ResNet-18", "encoder")
INPUTS = frozenset({"float", "bare", "prepared"})
JUDGED = "judged.json"
"""By file: its relative error on the samples that judge."""
NEARER = (0.9, 0.7)
"""What the product is asked for: so much of the best peer's relative error."""
TIE = 1.01
"""Files that take no more of our fastest's time are as fast as it: a race tells no less apart."""
FINALISTS = 1.15
SHOWN = 400
"""So many of the samples held out are what is timed."""
EVERY, TWICE = 1.03, 0.95


def make_ours(folder: Path) -> None:
    """The product's int8 files of a network; made anew each time, for the product changes."""
    from int8_ours import Task

    for left in folder.glob("ours*.onnx"):
        left.unlink()
    task = Task.of(folder)
    errors = _known(folder)
    made = [path for path in sorted(folder.glob("*.onnx")) if path.stem not in INPUTS]
    errors |= task.relative_errors([path for path in made if path.stem not in errors])
    _judged(folder, errors)
    best = min(errors.values())
    for per_channel in (True, False):
        nearest = float("inf")
        for share in NEARER:
            if nearest <= share * best:
                continue  # the file of the looser limit keeps this one too
            name = f"ours, {share:g}{'' if per_channel else ', per tensor'}"
            task.write(folder / f"{name}.onnx", share * best, per_channel=per_channel)
            errors |= task.relative_errors([folder / f"{name}.onnx"])
            nearest = errors[name]
    task.write_dynamic(folder / "ours, dynamic.onnx")
    errors |= task.relative_errors(sorted(folder.glob("ours, dynamic.onnx")))
    _judged(folder, errors)


def _known(folder: Path) -> dict[str, float]:
    """What was judged before; peers' files stay, and ours are judged anew."""
    path = folder / JUDGED
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: error for name, error in found.items() if not name.startswith("ours")}


def _judged(folder: Path, errors: dict[str, float]) -> None:
    (folder / JUDGED).write_text(json.dumps(errors, indent=1) + "\n", encoding="utf-8")


def make_peers(folder: Path, nncf: Path | None) -> None:
    """What peers make, each in its own environment; what is there already is kept."""
    script = str(HERE / "int8_peers.py")
    for python in filter(None, (Path(sys.executable), nncf)):
        subprocess.run([str(python), script, str(folder)], check=True, stdout=subprocess.DEVNULL)


def timed(folder: Path, *, rounds: int, runs: int) -> dict[str, Any]:
    """How long the files of one network take, and which of ours is held against the peers."""
    judged = json.loads((folder / JUDGED).read_text(encoding="utf-8"))
    samples = list(one_by_one(_held_out(folder, SHOWN)))
    sessions = open_running(
        [path for path in sorted(folder.glob("*.onnx")) if path.stem not in INPUTS - {"float"}],
        samples[0],
    )
    qualifying = race(sessions, samples, rounds=3, runs=3)
    peers = [name for name in sessions if name != "float" and not name.startswith("ours")]
    mine = [name for name in sessions if name.startswith("ours")]
    least = min(_p50(qualifying[name]) for name in peers)
    racing = {
        name: session
        for name, session in sessions.items()
        if name in ("float", *mine) or _p50(qualifying[name]) <= FINALISTS * least
    }
    first = race(racing, samples, rounds=rounds // 2, runs=runs)
    fastest = min((name for name in peers if name in first), key=lambda name: _p50(first[name]))
    shares = {name: _p50(first[name]) / _p50(first[fastest]) for name in mine}
    chosen = _chosen(shares, judged)
    times = race(racing, samples, rounds=rounds, runs=runs)
    fastest = min((name for name in peers if name in times), key=lambda name: _p50(times[name]))
    return {
        "ours": chosen,
        "fastest_peer": fastest,
        "process_ratio": asdict(paired(times[chosen].process, times[fastest].process)),
        "wall_ratio": asdict(paired(times[chosen].wall, times[fastest].wall)),
        "models": {
            name: {
                "p50_process_ms": _p50(times[name] if name in times else qualifying[name]),
                "p50_wall_ms": float(np.median((times.get(name) or qualifying[name]).wall)),
                "finalist": name in times,
                "judged_relative_error": judged.get(name),
            }
            for name in sessions
        },
        "rounds_process_ms": {name: rows.process.tolist() for name, rows in times.items()},
    }


def answered(folder: Path, row: dict[str, Any], *, held_out: int | None) -> None:
    """Adds what the files of one network answer to the samples that are held out."""
    kept = _held_out(folder, held_out)

    def answers(name: str) -> np.ndarray:
        (session,) = open_running([folder / f"{name}.onnx"], next(one_by_one(kept))).values()
        return logits(session, kept)

    expected = answers("float")
    row["held_out"] = len(expected)
    # one thread for each file, so that no file's answers depend on their number
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, found in zip(row["models"], pool.map(answers, row["models"]), strict=True):
            row["models"][name]["agreement"] = agreement(found, expected)
            row["models"][name]["logit_error"] = error(found, expected)


def _held_out(folder: Path, most: int | None) -> dict[str, np.ndarray]:
    return {key: array[:most] for key, array in np.load(folder / "held_out.npz").items()}


def _p50(times: Times) -> float:
    return float(np.median(times.process))


def _chosen(shares: dict[str, float], errors: dict[str, float]) -> str:
    """Ours: as the product does it, the fastest file that keeps the limit; of a tie the nearest.

    Args:
        shares: Time of each of our files as a share of the fastest peer's.
        errors: Relative error of each file on the samples that judge.
    """
    best = min(error for name, error in errors.items() if not name.startswith("ours"))
    keeping = [name for name in shares if errors[name] <= NEARER[0] * best] or list(shares)
    fastest = min(shares[name] for name in keeping)
    tied = [name for name in keeping if shares[name] <= TIE * fastest]
    return min(tied, key=lambda name: errors[name])


def missed(networks: dict[str, Any]) -> list[str]:
    """What is above its bar."""
    faults = []
    for name, row in networks.items():
        high = row["process_ratio"]["high"]
        if not high <= EVERY:
            faults.append(f"{name}: up to {high:.3f}x the time of {row['fastest_peer']}")
        peers = {
            peer: figures
            for peer, figures in row["models"].items()
            if peer != "float" and not peer.startswith("ours")
        }
        ours = row["models"][row["ours"]]
        best = max(figures["agreement"] for figures in peers.values())
        if not ours["agreement"] >= best:
            faults.append(f"{name}: agreement {ours['agreement']:.4f}, best peer {best:.4f}")
        least = min(figures["logit_error"] for figures in peers.values())
        if not ours["logit_error"] <= least:
            faults.append(f"{name}: logit error {ours['logit_error']:.4f}, best peer {least:.4f}")
    quick = sum(row["process_ratio"]["high"] <= TWICE for row in networks.values())
    if len(networks) == len(NAMES) and quick < 2:
        faults.append(f"at most {TWICE}x on {quick} networks, not on two")
    return faults


def show(name: str, row: dict[str, Any]) -> None:
    """Prints a network's table."""
    print(f"\n{name}")
    for model, figures in sorted(row["models"].items(), key=lambda item: item[1]["p50_process_ms"]):
        mark = "*" if model == row["ours"] else " "
        print(
            f"{mark} {model:42s} {figures['p50_process_ms']:8.3f} ms  "
            f"agreement {figures['agreement']:.4f}  error {figures['logit_error']:.4f}"
            f"{'' if figures['finalist'] else '  (9 runs)'}"
        )
    for clock in ("process", "wall"):
        ratio = row[f"{clock}_ratio"]
        print(
            f"  {clock} time against {row['fastest_peer']}: {ratio['ratio']:.3f} "
            f"[{ratio['low']:.3f}, {ratio['high']:.3f}]"
        )


def main() -> None:
    """Builds what is not there, measures, prints, and writes the record where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=HERE / "runs" / "int8_against_peers")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--efficientnet", type=Path, help="its two packages, unpacked")
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], help="photographs")
    parser.add_argument("--nncf", type=Path, help="the Python of an environment with NNCF")
    parser.add_argument("--networks", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--runs", type=int, default=10, help="in a round")
    parser.add_argument("--held-out", type=int, help="so many at most; else all")
    parser.add_argument("--as-made", action="store_true", help="take the files as they are there")
    parser.add_argument("--write", action="store_true", help="write the record")
    given = parser.parse_args()
    networks = {}
    for name in given.networks:
        folder = given.work.resolve() / name
        if not (folder / "held_out.npz").exists() and not _build(name, folder, given):
            continue
        if not given.as_made:
            make_peers(folder, given.nncf)
            make_ours(folder)
        networks[name] = timed(folder, rounds=given.rounds, runs=given.runs)
    for name, row in networks.items():
        answered(given.work.resolve() / name, row, held_out=given.held_out)
        show(name, row)
    if given.nncf is None:
        print("\nSKIPPED NNCF: give --nncf PYTHON, the interpreter of an environment that has it")
    if not networks:
        return
    record = {
        "conditions": {
            "machine": platform.machine(),
            "processors": os.cpu_count(),
            "load_average": os.getloadavg()[0],
            "onnxruntime": version("onnxruntime"),
            "python": platform.python_version(),
            "threads": 1,
            "batch": 1,
            "rounds": given.rounds,
            "runs_per_round": given.runs,
            "nncf": given.nncf is not None,
        },
        "networks": networks,
    }
    if given.write:
        RESULT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    faults = missed(networks)
    print("\n".join(["", *(f"MISSED {fault}" for fault in faults)] if faults else ["", "kept"]))
    sys.exit(bool(faults))


def _build(name: str, folder: Path, given: argparse.Namespace) -> bool:
    """Writes a network and its samples; says what is absent, and gives False, where it cannot."""
    wanted = {
        "EfficientNet-Lite0": [given.efficientnet, *(given.pictures or [None])],
        "encoder": [given.data / "banking77"],
    }.get(name, [given.data / "fashion-mnist"])
    if not all(path is not None and path.exists() for path in wanted):
        print(f"SKIPPED {name}: needs " + ", ".join(str(path) for path in wanted))
        return False
    from int8_networks import Sources, write

    sources = Sources(given.data, given.efficientnet, tuple(given.pictures))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as half:
        write(name, sources, Path(half))
        shutil.copytree(half, folder)
    return True


if __name__ == "__main__":
    main()
