"""What do the size of the view pool, curation, a curriculum and feedback change? Paired by seed.

Fashion-MNIST with 5 % of the training labels wrong. All students of a seed share weights at the
start, the wrong labels and (within the rounding of an epoch) the number of steps; one thing differs
from `plain`, which learns from kept answers on 8 views of each sample. A pool of as many views as
there are epochs shows no view twice: it is an endless stream of fresh ones, and what a smaller pool
costs is what keeping answers costs (arXiv 2106.05237).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from distillation_gain import (
    BATCH_SIZE,
    HERE,
    LEARNING_RATE,
    NPZ,
    conditions,
    fresh,
    paired_interval,
    test_accuracy,
)
from distillation_methods import ground_for
from fashion_mnist.prepare import DEFAULT_FOLDER

from edgedistill import models
from edgedistill.core.curation import Curate
from edgedistill.core.learning import Curriculum, Distill, Feedback, Training
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.stages.curate import Curation, open_curation
from edgedistill.stages.distill import Distillation, Replay

if TYPE_CHECKING:
    from edgedistill.data import Dataset
    from edgedistill.stages.curate import Curated
    from edgedistill.stages.distill.answers import KeptAnswers

STUDENT = Model(source="builtin:residual-cnn", args={"width": 8, "stem_stride": 2})
PLAIN = "plain"
WRONG = 0.05
"""Share of training labels that are wrong."""
POOLS = (1, 2, 4)
CURATE = {
    "hidden labels": Curate(),
    "head cut": Curate.model_validate({"head": [{"score": "confidence", "quantile": 0.1}]}),
    "tail cut": Curate.model_validate({"tail": [{"score": "confidence", "quantile": 0.05}]}),
}
WAYS = (
    PLAIN,
    *(f"{views} view{'s' if views > 1 else ''}" for views in POOLS),
    *CURATE,
    "curriculum",
    "feedback",
)
ROUND = Feedback(sure=0.8, errors=0.5, train=Training(epochs=4, learning_rate=5e-4))
"""About as many steps as one epoch where a tenth of the samples are errors."""


@dataclass(frozen=True)
class Pupil:
    """One student on its way."""

    dataset: Dataset
    answers: KeptAnswers
    epochs: int
    seed: int
    threads: int
    folder: Path

    def context(self, name: str) -> StageContext:
        """A folder of its own for a stage."""
        place = self.folder / name
        place.mkdir()
        return StageContext(place, seed=self.seed, threads=self.threads)

    def taught(self, way: str) -> tuple[float, int]:
        """Test accuracy and steps of a student that was taught so."""
        if way.endswith(("view", "views")):
            return self._with_views(int(way.split()[0]))._lesson(way, self._config(self.epochs))
        if way in CURATE:
            heart = self._curated(CURATE[way])
            share = len(heart.kept) / len(self.dataset.train)
            return self._lesson(way, self._config(round(self.epochs / share)), heart)
        if way == "curriculum":
            config = self._config(self.epochs).model_copy(update={"curriculum": Curriculum()})
            return self._lesson(way, config, self._curated(None))
        if way == "feedback":
            return self._lesson(way, self._config(self.epochs - 1), rounds=1)
        return self._lesson(way, self._config(self.epochs))

    def _config(self, epochs: int) -> Distill:
        train = Training(epochs=epochs, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE)
        return Distill(temperature=1.0, alpha=0.5, train=train)

    def _with_views(self, views: int) -> Pupil:
        split = self.dataset.train
        changes = split.augmentation.model_dump() | {"views": views}
        if views == 1:
            changes |= {"shift_pixels": 0, "horizontal_flip": False, "erase": 0.0}
        augmentation = type(split.augmentation).model_validate(changes)
        dataset = replace(self.dataset, train=replace(split, augmentation=augmentation))
        answers = replace(self.answers, views=views, rows=self.answers.rows[:views])
        return replace(self, dataset=dataset, answers=answers)

    def _curated(self, config: Curate | None) -> Curated:
        context = self.context("heart")
        Curation(self.dataset, self.answers, config).run(context)
        return open_curation(context.folder)

    def _lesson(
        self, way: str, config: Distill, heart: Curated | None = None, rounds: int = 0
    ) -> tuple[float, int]:
        student, context = fresh(STUDENT, self.dataset, self.seed), self.context(way)
        lesson = Distillation(student, self.dataset, self.answers, config, heart=heart)
        steps = lesson.run(context).facts["steps"]
        for number in range(1, rounds + 1):
            taught = models.load(context.folder, model=STUDENT, base=HERE)
            context = self.context(f"{way} {number}")
            replay = Replay(taught, self.dataset, self.answers, config, ROUND, number, heart)
            steps += replay.run(context).facts.get("steps", 0)
        trained = models.load(context.folder, model=STUDENT, base=HERE)
        return test_accuracy(trained, self.dataset), steps


def poisoned(dataset: Dataset, seed: int) -> Dataset:
    """The data set with wrong labels: each is any other class."""
    draw = np.random.default_rng(seed)
    labels, classes = np.array(dataset.train.labels), len(dataset.class_names)
    wrong = draw.choice(len(labels), size=round(WRONG * len(labels)), replace=False)
    labels[wrong] = (labels[wrong] + draw.integers(1, classes, size=len(wrong))) % classes
    return replace(dataset, train=replace(dataset.train, labels=labels))


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The mean of each way, and its paired difference to plain in points of accuracy."""
    accuracy = {(row["way"], row["seed"]): 100 * row["accuracy"] for row in rows}
    ways = dict.fromkeys(row["way"] for row in rows)
    settings = []
    for way in ways:
        seeds = [seed for name, seed in accuracy if name == way]
        pairs = [seed for seed in seeds if (PLAIN, seed) in accuracy]
        points = [accuracy[way, seed] - accuracy[PLAIN, seed] for seed in pairs]
        interval = paired_interval(points) if way != PLAIN and len(points) > 1 else None
        settings.append(
            {
                "way": way,
                "seeds": len(seeds),
                "accuracy_percent": statistics.fmean(accuracy[way, seed] for seed in seeds),
                "against_plain_points": interval,
            }
        )
    return settings


def print_table(settings: list[dict[str, Any]]) -> None:
    """One line a way; is its difference to plain outside the noise?"""
    print(f"\n{'way':16} seeds   accuracy   against plain in points [95 %], outside noise")
    for each in settings:
        line = f"{each['way']:16} {each['seeds']:5d}   {each['accuracy_percent']:6.2f} %"
        if each["against_plain_points"]:
            mean, low, high = each["against_plain_points"]
            verdict = "yes" if low > 0 or high < 0 else "no"
            line += f"   {mean:+.2f} [{low:+.2f}, {high:+.2f}]  {verdict}"
        print(line)


def main() -> int:
    """Teaches each student, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a finished run of fashion_mnist/recipe.yaml")
    parser.add_argument("--cache", type=Path, default=HERE / "runs" / "distillation_gain")
    parser.add_argument("--seeds", type=int, default=5, choices=range(1, 11), metavar="1..10")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--epochs", type=int, default=8, help="over all training samples")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="raw figures")
    arguments = parser.parse_args()
    ground = ground_for(arguments)
    if ground is None:
        print(f"SKIPPED: neither {NPZ} nor the files in {DEFAULT_FOLDER} are here.")
        return 0
    shared = conditions(ground, arguments.threads) | {
        "student": STUDENT.model_dump(mode="json"),
        "wrong_labels": WRONG,
        "epochs": arguments.epochs,
        "temperature": 1.0,
        "alpha": 0.5,
    }
    rows: list[dict[str, Any]] = []
    for seed in range(arguments.seeds):
        dataset = poisoned(ground.dataset, seed)
        for way in arguments.ways:
            with tempfile.TemporaryDirectory() as folder:
                pupil = Pupil(
                    dataset, ground.answers, arguments.epochs, seed, arguments.threads, Path(folder)
                )
                accuracy, steps = pupil.taught(way)
            rows.append({"way": way, "seed": seed, "accuracy": accuracy, "steps": steps})
            print(f"seed {seed}, {way:16} {100 * accuracy:.2f} %  ({steps} steps)", flush=True)
            if arguments.json:
                document = {"conditions": shared, "settings": summarise(rows), "rows": rows}
                text = json.dumps(document, indent=1, allow_nan=False)
                arguments.json.write_text(text + "\n", encoding="utf-8")
    print_table(summarise(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
