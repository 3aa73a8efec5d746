"""Does the teacher help? The distilled student against the same student on labels alone, paired.

Two settings on Fashion-MNIST: all training labels, and 10 % of them (the teacher answers on the
rest, which needs no labels). Both students of a pair share weights at the start, order of samples,
number of steps and which labels are theirs to see; only the teacher's answers differ. The teacher
is trained once, or taken with its answers from a finished run of fashion_mnist/recipe.yaml.
Exits 1 where distillation does not win outside the noise with 10 % of the labels.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fashion_mnist.prepare import DEFAULT_FOLDER, missing, write_npz

import edgedistill
from edgedistill import models
from edgedistill.core.learning import Distill, Training
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.data import open_dataset, open_source
from edgedistill.data.splitting import hide_labels
from edgedistill.stages.distill import Distillation, Teach, Train, open_answers
from edgedistill.store import RunFolder, code_sha256, step_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgedistill.core.recipe import Recipe
    from edgedistill.core.stage import Stage
    from edgedistill.data import Dataset
    from edgedistill.stages.distill.answers import KeptAnswers

HERE = Path(__file__).resolve().parent
RECIPE = HERE / "fashion_mnist" / "recipe.yaml"
NPZ = HERE / "fashion_mnist" / "fashion-mnist.npz"

STUDENT = Model(source="builtin:residual-cnn", args={"width": 16, "stem_stride": 2})
EPOCHS = 6
"""Passes over all training samples; the number of steps is the same in every cell."""
BATCH_SIZE = 128
LEARNING_RATE = 3e-3
TEMPERATURE = 4.0
ALPHA = 0.9
SHARES = (1.0, 0.1)

T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""Two-sided 95 % quantiles of Student's t by degrees of freedom."""


@dataclass(frozen=True)
class Ground:
    """What all students share."""

    dataset: Dataset
    answers: KeptAnswers
    teacher_accuracy: float
    teacher_from: str


def training(share: float) -> Training:
    """As many steps whatever the share of samples: fewer samples are seen more often."""
    return Training(
        epochs=round(EPOCHS / share), batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE
    )


def test_accuracy(network: models.Network, dataset: Dataset) -> float:
    """Share of test samples that the network gets right."""
    if dataset.test is None:
        raise ValueError("the data has no test split")
    module, right = network.module.eval(), 0
    with torch.inference_mode():
        for indices, inputs in dataset.test.batches(250):
            tensors = {name: torch.from_numpy(values) for name, values in inputs.items()}
            predicted = models.logits(module, tensors).argmax(1).numpy()
            right += int((predicted == dataset.test.labels[indices]).sum())
    return right / len(dataset.test)


def make_ground(recipe: Recipe, cache: Path, *, threads: int) -> Ground:
    """Prepares the data, trains the teacher and asks it, or takes what the cache holds."""
    code = code_sha256("data", "models", "tasks", "stages/distill")
    source = open_source(recipe.data, base=RECIPE.parent)

    def step(name: str, make: Callable[[], Stage], **inputs: str) -> tuple[str, Path]:
        config = {"data": source.fingerprint(), "teacher": recipe.teacher.model_dump(mode="json")}
        environment = {"torch": torch.__version__, "threads": str(threads)}
        key = step_key(name, config=config, inputs=inputs, code=code, environment=environment)
        found = folder.find(name, key)
        if found is None:
            print(f"{name} ...", flush=True)

            def work(place: Path, _checkpoint: Path) -> Any:
                return make().run(StageContext(place, seed=recipe.seed, threads=threads)).facts

            found = folder.make(name, key, inputs=inputs, work=work)
        return key, found.folder

    with RunFolder(cache) as folder:
        data_key, data = step("data", lambda: source)
        dataset = open_dataset(data)

        def train() -> Stage:
            if recipe.teacher.train is None:
                raise ValueError("the recipe does not say how to train the teacher")
            return Train(fresh(recipe.teacher, dataset, recipe.seed), dataset, recipe.teacher.train)

        teacher_key, trained = step("teacher", train, data=data_key)
        teacher = models.load(trained, model=recipe.teacher, base=RECIPE.parent)
        _, answers = step(
            "answers", lambda: Teach(teacher, dataset), data=data_key, teacher=teacher_key
        )
    accuracy = test_accuracy(teacher, dataset)
    return Ground(dataset, open_answers(answers), accuracy, "trained by this benchmark")


def ground_of_run(recipe: Recipe, run: Path) -> Ground:
    """Takes data, teacher and answers from a finished run of the recipe.

    Raises:
        FileNotFoundError: If the run does not hold each of them just once.
    """
    folders = {}
    for name in ("data", "teacher", "answers"):
        found = sorted((run / "steps").glob(f"{name}-*"))
        if len(found) != 1:
            raise FileNotFoundError(f"{run}/steps holds {len(found)} steps '{name}', not one")
        folders[name] = found[0]
    dataset = open_dataset(folders["data"])
    teacher = models.load(folders["teacher"], model=recipe.teacher, base=RECIPE.parent)
    accuracy = test_accuracy(teacher, dataset)
    return Ground(dataset, open_answers(folders["answers"]), accuracy, "a run of recipe.yaml")


def fresh(model: Model, dataset: Dataset, seed: int) -> models.Network:
    """A network with fresh weights."""
    signature = models.Signature(inputs=dataset.input_shapes, classes=len(dataset.class_names))
    return models.create(
        model, signature, base=HERE, seed=seed, preprocessing=dataset.preprocessing
    )


def pair(ground: Ground, share: float, seed: int, *, folder: Path, threads: int) -> dict[str, Any]:
    """Test accuracy of both students of one pair, and how long each took."""
    split = ground.dataset.train
    labels = hide_labels(np.asarray(split.labels), share, seed=seed)
    dataset = replace(ground.dataset, train=replace(split, labels=labels))
    student = fresh(STUDENT, dataset, seed)
    config = Distill(temperature=TEMPERATURE, alpha=ALPHA, train=training(1.0))
    stages: dict[str, Stage] = {
        "labels": Train(student, dataset, training(share)),
        "distilled": Distillation(student, dataset, ground.answers, config),
    }
    row: dict[str, Any] = {"share": share, "seed": seed, "labelled": int((labels >= 0).sum())}
    for name, stage in stages.items():
        place = folder / f"{name}-{share}-{seed}"
        place.mkdir(parents=True)
        start = time.perf_counter()
        facts = stage.run(StageContext(place, seed=seed, threads=threads)).facts
        row[f"{name}_s"] = round(time.perf_counter() - start, 1)
        row[f"{name}_steps"] = facts["steps"]
        row[name] = test_accuracy(models.load(place, model=STUDENT, base=HERE), dataset)
    print(
        f"{100 * share:5.0f} % of labels, seed {seed}: labels {100 * row['labels']:.2f} %, "
        f"distilled {100 * row['distilled']:.2f} %  ({row['labels_s']} s, {row['distilled_s']} s)",
        flush=True,
    )
    return row


def paired_interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Mean of paired differences and the 95 % interval of Student's t around it.

    >>> [round(figure, 3) for figure in paired_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    mean = statistics.fmean(differences)
    spread = statistics.stdev(differences) / math.sqrt(len(differences))
    half = T_95[len(differences) - 1] * spread
    return mean, mean - half, mean + half


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each setting the means and the paired difference in accuracy points."""
    settings = []
    for share in SHARES:
        chosen = [row for row in rows if row["share"] == share]
        points = [100 * (row["distilled"] - row["labels"]) for row in chosen]
        mean, low, high = paired_interval(points)
        settings.append(
            {
                "share_of_labels": share,
                "pairs": len(chosen),
                "labels_accuracy": statistics.fmean(row["labels"] for row in chosen),
                "distilled_accuracy": statistics.fmean(row["distilled"] for row in chosen),
                "gain_points": mean,
                "gain_points_95": [low, high],
                "outside_noise": low > 0 or high < 0,
            }
        )
    return settings


def conditions(ground: Ground, threads: int) -> dict[str, Any]:
    """Under which conditions the figures were taken."""
    return {
        "data": "Fashion-MNIST, accuracy on the 10,000 test pictures",
        "train_samples": len(ground.dataset.train),
        "views": ground.dataset.train.views,
        "teacher_test_accuracy": ground.teacher_accuracy,
        "teacher": f"{ground.teacher_from}; it saw all labels",
        "student": STUDENT.model_dump(mode="json"),
        "epochs_over_all_samples": EPOCHS,
        "batch_size": BATCH_SIZE,
        "peak_learning_rate": LEARNING_RATE,
        "temperature": TEMPERATURE,
        "alpha": ALPHA,
        "threads": threads,
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "versions": {name: metadata.version(name) for name in ("edgedistill", "torch", "numpy")},
        "interval": "Student's t over paired differences, two-sided, 95 %",
    }


def print_table(settings: list[dict[str, Any]]) -> None:
    """One line a setting."""
    print("\nlabels used   pairs   on labels   distilled   gain [95 %] in points")
    for setting in settings:
        low, high = setting["gain_points_95"]
        verdict = "outside" if setting["outside_noise"] else "inside"
        print(
            f"{100 * setting['share_of_labels']:8.0f} %   {setting['pairs']:5d}   "
            f"{100 * setting['labels_accuracy']:7.2f} %   "
            f"{100 * setting['distilled_accuracy']:7.2f} %   "
            f"{setting['gain_points']:+.2f} [{low:+.2f}, {high:+.2f}]  {verdict} the noise"
        )


def main() -> int:
    """Runs all pairs, writes the raw figures, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a finished run of fashion_mnist/recipe.yaml")
    parser.add_argument("--cache", type=Path, default=HERE / "runs" / "distillation_gain")
    parser.add_argument("--seeds", type=int, default=5, choices=range(3, 11), metavar="3..10")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "distillation_gain.json")
    arguments = parser.parse_args()
    if not NPZ.is_file():
        if missing(DEFAULT_FOLDER):
            print(f"SKIPPED: neither {NPZ} nor the files in {DEFAULT_FOLDER} are here.")
            print("Make the first with fashion_mnist/prepare.py --folder FOLDER.")
            return 0
        write_npz(DEFAULT_FOLDER, NPZ)
    recipe = edgedistill.read_recipe(RECIPE).recipe
    start = time.perf_counter()
    if arguments.run:
        ground = ground_of_run(recipe, arguments.run)
    else:
        ground = make_ground(recipe, arguments.cache, threads=arguments.threads)
    print(f"teacher: {100 * ground.teacher_accuracy:.2f} % on the test samples")
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            pair(ground, share, seed, folder=Path(folder), threads=arguments.threads)
            for share in SHARES
            for seed in range(arguments.seeds)
        ]
    settings = summarise(rows)
    print_table(settings)
    document = {
        "conditions": conditions(ground, arguments.threads),
        "total_s": round(time.perf_counter() - start, 1),
        "settings": settings,
        "pairs": rows,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    print(f"raw figures: {arguments.out}")
    few = next(setting for setting in settings if setting["share_of_labels"] < 1)
    return 0 if few["gain_points_95"][0] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
