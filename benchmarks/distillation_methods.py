"""Which way of learning from a teacher's answers helps most? All methods, paired by seed.

Two settings on Fashion-MNIST, as in distillation_gain.py: all training labels, and 10 % of them
(the teacher answers on the rest). All students of a seed share weights at the start, order of
samples, number of steps and which labels are theirs to see; only the loss differs. The teacher is
trained once, or taken with its answers from a finished run of fashion_mnist/recipe.yaml.
Each result is written as soon as it is there; run again, the benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from distillation_gain import (
    EPOCHS,
    HERE,
    NPZ,
    RECIPE,
    SHARES,
    STUDENT,
    conditions,
    fresh,
    ground_of_run,
    make_ground,
    paired_interval,
    test_accuracy,
    training,
)
from fashion_mnist.prepare import DEFAULT_FOLDER, missing, write_npz

import edgedistill
from edgedistill import models
from edgedistill.core.learning import Distill
from edgedistill.core.stage import StageContext
from edgedistill.data.splitting import hide_labels
from edgedistill.stages.distill import Distillation, Train

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distillation_gain import Ground

    from edgedistill.core.learning import Training
    from edgedistill.core.stage import Stage
    from edgedistill.core.teacher import Model

LABELS = "labels"
"""The same student without a teacher."""
BASELINES = ("kd", "kd-t1", LABELS)
"""What every method is held against."""

SETTINGS: dict[str, dict[str, Any]] = {
    # mdistiller, engine/cfg.py, CFG.KD: temperature 4, weights 0.9 and 0.1.
    "kd": {"method": "kd", "temperature": 4.0, "alpha": 0.9},
    # The same without softening: a short lesson has no time to learn a teacher's small differences.
    "kd-t1": {"method": "kd", "temperature": 1.0, "alpha": 0.9},
    # mdistiller, CFG.DKD: temperature 4, TCKD 1, NCKD 8, labels 1. Here all is halved, so that
    # alpha and 1 - alpha add up to 1; AdamW does not see the size of a loss. No warm-up: theirs
    # takes 20 of 240 epochs.
    "dkd": {
        "method": "dkd",
        "temperature": 4.0,
        "alpha": 0.5,
        "target_weight": 1.0,
        "nontarget_weight": 8.0,
    },
    # hunto/image_classification_sota, losses/kd_loss.py: DIST(beta=1, gamma=1), labels 1, halved as
    # above; temperature 4 is that of their CIFAR-100 runs (dist_t4).
    "dist": {
        "method": "dist",
        "temperature": 4.0,
        "alpha": 0.5,
        "inter_weight": 1.0,
        "intra_weight": 1.0,
    },
    # The defaults of its authors' class: temperature 1, for ImageNet; labels weigh what they do in
    # kd.
    "dist-t1": {
        "method": "dist",
        "temperature": 1.0,
        "alpha": 0.9,
        "inter_weight": 1.0,
        "intra_weight": 1.0,
    },
    # sunshangquan/logit-standardization-KD, README and tools/train.py: temperature 2, weight 9
    # beside labels of 0.1, here 0.9 / 0.91 and its rest.
    "kd-standardized": {
        "method": "kd",
        "standardize": True,
        "temperature": 2.0,
        "alpha": 9 / 9.1,
    },
    # The same: temperature 2, both weights of dkd times 9 beside labels of 1, here all by 10.
    "dkd-standardized": {
        "method": "dkd",
        "standardize": True,
        "temperature": 2.0,
        "alpha": 0.9,
        "target_weight": 1.0,
        "nontarget_weight": 8.0,
    },
}
METHODS = (LABELS, *SETTINGS)


@dataclass(frozen=True)
class Cell:
    """One student to be trained."""

    method: str
    share: float
    seed: int

    def place(self) -> str:
        """A name for its folder."""
        return f"{self.method}-{self.share}-{self.seed}"


@dataclass(frozen=True)
class Bench:
    """What all students share, and how each is trained."""

    ground: Ground
    student: Model
    epochs: int
    threads: int

    def training(self, share: float) -> Training:
        """As many steps whatever the share of samples: fewer samples are seen more often."""
        return training(share).model_copy(update={"epochs": round(self.epochs / share)})

    def settings(self, method: str) -> dict[str, Any]:
        """All that tells this method from others, as plain JSON values."""
        if method == LABELS:
            return self.training(1.0).model_dump(mode="json")
        return self.distill(method).model_dump(mode="json")

    def distill(self, method: str) -> Distill:
        """What the recipe would say."""
        return Distill(**SETTINGS[method], train=self.training(1.0))

    def row(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Trains one student; its test accuracy and the seconds it took."""
        split = self.ground.dataset.train
        labels = hide_labels(np.asarray(split.labels), cell.share, seed=cell.seed)
        dataset = replace(self.ground.dataset, train=replace(split, labels=labels))
        student = fresh(self.student, dataset, cell.seed)
        stage: Stage = (
            Train(student, dataset, self.training(cell.share))
            if cell.method == LABELS
            else Distillation(student, dataset, self.ground.answers, self.distill(cell.method))
        )
        place = folder / cell.place()
        place.mkdir(parents=True)
        start = time.perf_counter()
        facts = stage.run(StageContext(place, seed=cell.seed, threads=self.threads)).facts
        seconds = time.perf_counter() - start
        trained = models.load(place, model=self.student, base=HERE)
        return {
            "method": cell.method,
            "share": cell.share,
            "seed": cell.seed,
            "settings": self.settings(cell.method),
            "labelled": int((labels >= 0).sum()),
            "steps": facts["steps"],
            "train_s": round(seconds, 1),
            "accuracy": test_accuracy(trained, dataset),
        }

    def conditions(self) -> dict[str, Any]:
        """Under which conditions the figures are taken; unlike ones are never pooled."""
        shared = conditions(self.ground, self.threads)
        of_one_method = ("temperature", "alpha")
        return {
            **{name: value for name, value in shared.items() if name not in of_one_method},
            "student": self.student.model_dump(mode="json"),
            "epochs_over_all_samples": self.epochs,
        }


def kept_rows(out: Path, bench: Bench) -> list[dict[str, Any]]:
    """The rows a former run left, without those of a method whose settings have changed since.

    Raises:
        ValueError: If they were taken under other conditions.
    """
    if not out.is_file():
        return []
    document = json.loads(out.read_text(encoding="utf-8"))
    now = bench.conditions()
    unlike = [key for key in now if document["conditions"].get(key) != now[key]]
    if unlike:
        raise ValueError(f"{out} was taken under other {', '.join(unlike)}: give another --out")
    rows = [row for row in document["rows"] if row["settings"] == bench.settings(row["method"])]
    print(f"{out}: {len(rows)} of {len(document['rows'])} rows are still good", flush=True)
    return rows


def write(out: Path, bench: Bench, rows: list[dict[str, Any]]) -> None:
    """All there is so far; a kill leaves the file as it was or as it is to be."""
    document = {"conditions": bench.conditions(), "settings": summarise(rows), "rows": rows}
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f"{out.name}.unfinished")
    unfinished.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    unfinished.replace(out)


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each share of labels and method the mean, and the paired differences in points."""
    found: dict[tuple[float, str], dict[int, float]] = {}
    for row in rows:
        found.setdefault((row["share"], row["method"]), {})[row["seed"]] = row["accuracy"]
    ordered = sorted(found, key=lambda key: (-key[0], METHODS.index(key[1])))
    return [
        {
            "share_of_labels": share,
            "method": method,
            "seeds": len(found[share, method]),
            "accuracy": statistics.fmean(found[share, method].values()),
            **{
                f"against_{other}": difference(found[share, method], found.get((share, other), {}))
                for other in BASELINES
                if other != method
            },
        }
        for share, method in ordered
    ]


def difference(ours: dict[int, float], theirs: dict[int, float]) -> dict[str, Any] | None:
    """Paired by seed, in points of accuracy; None below two pairs, which have no interval."""
    points = [100 * (ours[seed] - theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    if len(points) < 2:
        return None
    mean, low, high = paired_interval(points)
    outside = low > 0 or high < 0
    return {
        "pairs": len(points),
        "points": mean,
        "points_95": [low, high],
        "outside_noise": outside,
    }


def print_table(settings: list[dict[str, Any]]) -> None:
    """One line for each share of labels and method; is a difference outside the noise?"""
    head = "".join(f"   {f'against {other} [95 %], outside noise':37}" for other in BASELINES)
    print(f"\nlabels used   method             seeds   accuracy{head}")
    for setting in settings:
        cells = "".join(f"   {shown(setting.get(f'against_{other}')):37}" for other in BASELINES)
        print(
            f"{100 * setting['share_of_labels']:9.0f} %   {setting['method']:16}   "
            f"{setting['seeds']:5d}   {100 * setting['accuracy']:6.2f} %{cells}".rstrip()
        )


def shown(paired: dict[str, Any] | None) -> str:
    """A difference as the table has it."""
    if paired is None:
        return "-"
    low, high = paired["points_95"]
    verdict = "yes" if paired["outside_noise"] else "no"
    return f"{paired['points']:+.2f} [{low:+.2f}, {high:+.2f}]  {verdict}"


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a finished run of fashion_mnist/recipe.yaml")
    parser.add_argument("--cache", type=Path, default=HERE / "runs" / "distillation_gain")
    parser.add_argument("--seeds", type=int, default=5, choices=range(1, 11), metavar="1..10")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="over all training samples")
    parser.add_argument("--width", type=int, default=STUDENT.args["width"], help="of the student")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "distillation_methods.json")
    return parser.parse_args()


def ground_for(arguments: argparse.Namespace) -> Ground | None:
    """Data, teacher and answers; None where there is no data."""
    recipe = edgedistill.read_recipe(RECIPE).recipe
    if arguments.run:
        return ground_of_run(recipe, arguments.run)
    if not NPZ.is_file():
        if missing(DEFAULT_FOLDER):
            return None
        write_npz(DEFAULT_FOLDER, NPZ)
    return make_ground(recipe, arguments.cache, threads=arguments.threads)


def fill(bench: Bench, cells: Sequence[Cell], out: Path) -> None:
    """Trains what is not in the file yet."""
    rows = kept_rows(out, bench)
    done = {Cell(row["method"], row["share"], row["seed"]) for row in rows}
    for cell in cells:
        if cell in done:
            continue
        with tempfile.TemporaryDirectory() as folder:
            row = bench.row(cell, Path(folder))
        rows.append(row)
        write(out, bench, rows)
        print(
            f"{100 * cell.share:5.0f} % of labels, seed {cell.seed}, {cell.method:16} "
            f"{100 * row['accuracy']:.2f} %  ({row['train_s']} s)",
            flush=True,
        )
    write(out, bench, rows)


def main() -> int:
    """Trains what is missing, prints the table of all there is."""
    arguments = options()
    ground = ground_for(arguments)
    if ground is None:
        print(f"SKIPPED: neither {NPZ} nor the files in {DEFAULT_FOLDER} are here.")
        print("Make the first with fashion_mnist/prepare.py --folder FOLDER, or give --run.")
        return 0
    print(f"teacher: {100 * ground.teacher_accuracy:.2f} % on the test samples", flush=True)
    student = STUDENT.model_copy(update={"args": {**STUDENT.args, "width": arguments.width}})
    bench = Bench(ground, student, arguments.epochs, arguments.threads)
    # Seed by seed, so that a benchmark cut short holds whole pairs.
    cells = [
        Cell(method, share, seed)
        for seed in range(arguments.seeds)
        for share in arguments.shares
        for method in arguments.methods
    ]
    fill(bench, cells, arguments.out)
    print_table(json.loads(arguments.out.read_text(encoding="utf-8"))["settings"])
    print(f"raw figures: {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
