"""Which measure of a channel's worth prunes best at equal cost? All of them, paired by seed.

Small networks learn from some pictures of Fashion-MNIST, are pruned to the same share of their
multiply-accumulates by each measure, and learn again for a short while from labels. Accuracy
before and after that lesson is held against magnitude's. Each result is written as soon as it is
there; run again, the benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import torch
from distillation_gain import paired_interval
from fashion_mnist.prepare import DEFAULT_FOLDER, missing
from pruned_fashion import SIGNATURE, Pictures, accuracy, fresh, pictures, pruned, teach

from edgedistill.core.pruning import ImportanceName, Prune
from edgedistill.stages.prune.macs import count_macs

RESULTS = Path(__file__).resolve().parent / "results" / "prune_importance.json"
NETWORKS: dict[str, tuple[str, dict[str, object], int]] = {
    "residual": ("builtin:residual-cnn", {"width": 12, "stem_stride": 4}, 500),
    "depthwise": ("builtin:depthwise-cnn", {"width": 24, "depth": 1, "stem_stride": 4}, 500),
    "mlp": ("builtin:mlp", {"width": 128, "depth": 2}, 500),
    "transformer": ("vision-transformer", {}, 700),
}
"""Source, arguments, and the steps of its first lesson."""
KINDS: tuple[ImportanceName, ...] = get_args(ImportanceName)
WAYS: dict[str, dict[str, Any]] = {
    **{kind: {"importance": kind} for kind in KINDS},
    "magnitude, local": {"importance": "magnitude", "scope": "local"},
    "taylor, 4 rounds": {"importance": "taylor", "rounds": 4},
}
RATIO = 0.5
TRAIN, TEST = 6000, 5000
RECOVERY_STEPS = 60


def rows_of(name: str, seed: int, folder: Path, exam: Pictures) -> list[dict[str, Any]]:
    """One network of one seed, pruned in every way."""
    source, args, steps = NETWORKS[name]
    lesson = pictures(folder, "train", count=TRAIN, seed=seed)
    whole = fresh(source, args, seed)
    teach(whole, lesson, steps=steps, learning_rate=3e-3, seed=seed)
    known = {
        "network": name,
        "seed": seed,
        "dense_accuracy": accuracy(whole, exam),
        "dense_macs": count_macs(whole, SIGNATURE.zeros()),
    }
    rows = []
    for way, settings in WAYS.items():
        smaller = pruned(whole, Prune(macs_ratio=RATIO, round_to=1, **settings), lesson)
        before = accuracy(smaller, exam)
        teach(smaller, lesson, steps=RECOVERY_STEPS, learning_rate=2e-3, seed=seed)
        after = accuracy(smaller, exam)
        macs = count_macs(smaller, SIGNATURE.zeros())
        rows.append({**known, "way": way, "macs": macs, "before": before, "after": after})
        print(f"{name:12} seed {seed}  {way:18} {before:.4f} -> {after:.4f}", flush=True)
    return rows


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each network and way the means, and the paired gain over magnitude in points.

    A network has a line from its second seed on.
    """
    found = []
    for name in dict.fromkeys(row["network"] for row in rows if row["seed"]):
        own = [row for row in rows if row["network"] == name]
        base = {row["seed"]: row for row in own if row["way"] == "magnitude"}
        for way in WAYS:
            chosen = [row for row in own if row["way"] == way]
            gains = {}
            for when in ("before", "after"):
                points = [100 * (row[when] - base[row["seed"]][when]) for row in chosen]
                interval = zip(("mean", "low", "high"), paired_interval(points), strict=True)
                gains[f"gain_{when}_points"] = dict(interval)
            found.append(
                {
                    "network": name,
                    "way": way,
                    "pairs": len(chosen),
                    "dense_accuracy": statistics.fmean(row["dense_accuracy"] for row in chosen),
                    "before": statistics.fmean(row["before"] for row in chosen),
                    "after": statistics.fmean(row["after"] for row in chosen),
                    **gains,
                }
            )
    return found


def conditions(seeds: int) -> dict[str, Any]:
    """Under which conditions the figures were taken."""
    return {
        "data": f"Fashion-MNIST, {TRAIN} training pictures a seed, the first {TEST} of the test",
        "networks": {name: [source, args] for name, (source, args, _) in NETWORKS.items()},
        "ways": WAYS,
        "macs_ratio": RATIO,
        "recovery_steps": RECOVERY_STEPS,
        "seeds": seeds,
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "versions": {
            name: metadata.version(name) for name in ("edgedistill", "torch", "torch-pruning")
        },
        "interval": "Student's t over paired differences from magnitude, two-sided, 95 %",
    }


def print_table(summary: list[dict[str, Any]]) -> None:
    """One line a network and way, then where each way beats magnitude."""
    print(
        "\nnetwork      way                 before   gain [95 %]              after    gain [95 %]"
    )
    for line in summary:
        gains = [line[f"gain_{when}_points"] for when in ("before", "after")]
        texts = [f"{g['mean']:+6.2f} [{g['low']:+.2f}, {g['high']:+.2f}]" for g in gains]
        print(
            f"{line['network']:12} {line['way']:18} {line['before']:.4f}  {texts[0]:24} "
            f"{line['after']:.4f}  {texts[1]}"
        )
    for way in list(WAYS)[1:]:
        sure = [
            f"{line['network']} ({when})"
            for line in summary
            for when in ("before", "after")
            if line["way"] == way and line[f"gain_{when}_points"]["low"] > 0
        ]
        print(f"{way}: beats magnitude outside noise on {', '.join(sure) or 'nothing'}")


def main() -> int:
    """Runs what is missing, prints the table, writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="the IDX files' folder")
    parser.add_argument("--seeds", type=int, choices=range(2, 11), default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if absent := missing(arguments.folder):
        print(f"SKIPPED: {arguments.folder} does not hold {', '.join(absent)}.")
        return 0
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    if arguments.out.is_file():
        document = json.loads(arguments.out.read_text())
        if document["conditions"] | {"seeds": 0} == conditions(0):
            rows = document["rows"]
    done = {(row["network"], row["seed"]) for row in rows}
    exam = pictures(arguments.folder, "test", count=TEST)
    for seed in range(arguments.seeds):
        for name in NETWORKS:
            if (name, seed) in done:
                continue
            rows += rows_of(name, seed, arguments.folder, exam)
            document = {
                "conditions": conditions(seed + 1),
                "summary": summarise(rows),
                "rows": rows,
            }
            arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    print_table(summarise(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
