"""Does curation find wrong labels, and does it spare a rare class? On poisoned Fashion-MNIST.

One class is made tiny, and a share of the labels is flipped to another class. The teacher learns
from these very labels, wrong ones included, and is asked once; then the documented default of
`stages.curate` has to find the flips. Afterwards a cut that would take every sample of the tiny
class is tried, once with the default bounds and once with the loosest: it has to be refused.
Exits 1 where fewer flips are found than the bar asks, or such a cut goes through.

A flip lands in any other class but the tiny one: the flips that would land there outnumber its own
samples by far, and then nobody could say from the labels what that class is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fashion_mnist.prepare import CLASS_NAMES, DEFAULT_FOLDER, missing, write_npz

from edgedistill import models
from edgedistill.core.curation import Curate, Cut, SuspectLabels
from edgedistill.core.learning import Training
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation, Splits
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.data import Dataset, live_source, open_dataset
from edgedistill.errors import InputError
from edgedistill.stages.curate import Curation, open_curation
from edgedistill.stages.curate.curated import open_scores
from edgedistill.stages.distill import Teach, Train, open_answers

if TYPE_CHECKING:
    from edgedistill.stages.curate import AnswerSource

HERE = Path(__file__).resolve().parent
NPZ = HERE / "fashion_mnist" / "fashion-mnist.npz"

PIXELS = Preprocessing(
    kind="image", color="grey", scale=1 / 255, mean=(0.286,), std=(0.353,), layout="nchw"
)
CHANGES: dict[str, Any] = {"shift_pixels": 2, "horizontal_flip": True, "erase": 0.25}
"""What views differ by, as in fashion_mnist/recipe.yaml."""
VALIDATION = 2000
"""Test pictures, with right labels, that tell how good the teacher is."""
BAR = 0.8
"""Share of the flips that has to be found."""
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 1.0)
LOOSE: dict[str, Any] = {
    "max_class_loss": 1.0,
    "max_group_loss": 1.0,
    "max_skew": 1e9,
    "min_class_samples": 1,
    "min_group_samples": 0,
}
"""The loosest bounds that a config can say."""


@dataclass(frozen=True, eq=False)
class Poisoned:
    """Training pictures with some wrong labels."""

    inputs: np.ndarray
    labels: np.ndarray
    flipped: np.ndarray
    """bool `[n]`."""


def poison(npz: dict[str, np.ndarray], options: argparse.Namespace) -> Poisoned:
    """Makes one class tiny, takes a subset of the others, and flips labels."""
    random = np.random.default_rng(options.seed)
    truth, tiny = npz["train_labels"], CLASS_NAMES.index(options.tiny_class)
    shuffled = random.permutation(len(truth))
    rare = shuffled[truth[shuffled] == tiny][: options.tiny_samples]
    common = shuffled[truth[shuffled] != tiny][: options.samples]
    chosen = np.sort(np.concatenate([rare, common]))
    labels = truth[chosen].copy()
    flips = random.choice(len(labels), round(options.flips * len(labels)), replace=False)
    for place in flips:
        others = [one for one in range(len(CLASS_NAMES)) if one not in (labels[place], tiny)]
        labels[place] = random.choice(others)
    flipped = np.zeros(len(labels), dtype=bool)
    flipped[flips] = True
    return Poisoned(npz["train_inputs"][chosen], labels, flipped)


def prepare(
    poisoned: Poisoned, npz: dict[str, np.ndarray], options: argparse.Namespace, folder: Path
) -> Dataset:
    """The data set as a run would see it."""
    augmentation = Augmentation(views=options.views, **(CHANGES if options.views > 1 else {}))
    source = live_source(
        train=(poisoned.inputs, poisoned.labels),
        validation=(npz["test_inputs"][:VALIDATION], npz["test_labels"][:VALIDATION]),
        preprocessing=PIXELS,
        class_names=CLASS_NAMES,
        splits=Splits(test=0.0),
        augmentation=augmentation,
    )
    source.run(context(folder, options))
    dataset = open_dataset(folder)
    if not np.array_equal(dataset.train.labels, poisoned.labels):
        raise RuntimeError("the prepared samples stand in another order than those given")
    return dataset


def context(folder: Path, options: argparse.Namespace) -> StageContext:
    """An empty folder for a stage to write into."""
    folder.mkdir(parents=True)
    return StageContext(folder, seed=options.seed, threads=options.threads)


def ask_teacher(
    dataset: Dataset, options: argparse.Namespace, folder: Path
) -> tuple[AnswerSource, dict[str, Any]]:
    """Trains a teacher on the poisoned labels and asks it: its answers, and how good it is."""
    model = Model(
        source="builtin:residual-cnn",
        args={"width": options.width, "stem_stride": options.stem_stride},
    )
    network = models.create(
        model,
        models.Signature(inputs=dataset.input_shapes, classes=len(CLASS_NAMES)),
        base=HERE,
        seed=options.seed,
        preprocessing=dataset.preprocessing,
    )
    training = Training(epochs=options.epochs, batch_size=128, learning_rate=3e-3)
    start = time.perf_counter()
    learned = Train(network, dataset, training).run(context(folder / "teacher", options)).facts
    seconds = time.perf_counter() - start
    teacher = models.load(folder / "teacher", model=model, base=HERE)
    asked = Teach(teacher, dataset).run(context(folder / "answers", options)).facts
    facts = {
        "model": model.model_dump(mode="json", exclude_none=True),
        "training": training.model_dump(mode="json"),
        "training_s": round(seconds, 1),
        "validation_accuracy": learned["validation_accuracy_after"],
        "agreement_with_poisoned_labels": asked["agreement_with_labels"],
    }
    return open_answers(folder / "answers"), facts


def judge(poisoned: Poisoned, suspect: np.ndarray) -> dict[str, Any]:
    """How many flips are among the suspect labels, and how many suspects are flips."""
    both = poisoned.flipped & suspect

    def figures(chosen: np.ndarray) -> dict[str, Any]:
        flips, suspects = int(poisoned.flipped[chosen].sum()), int(suspect[chosen].sum())
        found = int(both[chosen].sum())
        return {
            "samples": int(chosen.sum()),
            "flips": flips,
            "suspects": suspects,
            "found": found,
            "recall": found / flips if flips else None,
            "precision": found / suspects if suspects else None,
        }

    everything = np.ones(len(suspect), dtype=bool)
    classes = {name: figures(poisoned.labels == place) for place, name in enumerate(CLASS_NAMES)}
    return {**figures(everything), "by_given_label": classes}


def curate(
    dataset: Dataset,
    answers: AnswerSource,
    config: Curate,
    options: argparse.Namespace,
    folder: Path,
) -> np.ndarray:
    """Whose label is suspect, bool `[n]`."""
    Curation(dataset, answers, config).run(context(folder, options))
    return open_curation(folder).hidden


def sweep(
    dataset: Dataset,
    answers: AnswerSource,
    poisoned: Poisoned,
    options: argparse.Namespace,
    folder: Path,
) -> list[dict[str, Any]]:
    """Other thresholds and other rules: what the default was chosen from."""
    rows = []
    for threshold in THRESHOLDS:
        config = Curate(suspect_labels=SuspectLabels(threshold=threshold), **LOOSE)
        suspect = curate(dataset, answers, config, options, folder / f"at-{threshold}")
        rows.append({"rule": f"threshold {threshold}", **judge(poisoned, suspect)})
    suspect = confident_learning(answers, poisoned.labels)
    rows.append({"rule": "confident learning", **judge(poisoned, suspect)})
    return rows


def confident_learning(answers: AnswerSource, labels: np.ndarray) -> np.ndarray:
    """Whose label is suspect by the rule of the paper, for comparison: bool `[n]`.

    Northcutt et al. 2021 (arXiv 1911.00068, equations 1 and 2): the teacher says another class, and
    as surely as it says that class of the samples that bear it.
    """
    indices = np.arange(answers.samples)
    mean = np.zeros((answers.samples, answers.classes))
    for view in range(answers.views):
        powers = np.exp(answers.logits(np.full(len(indices), view), indices).astype(np.float64))
        mean += powers / powers.sum(axis=1, keepdims=True) / answers.views
    own = mean[indices, labels]
    sure = mean >= [own[labels == place].mean() for place in range(answers.classes)]
    said = np.where(sure, mean, -1).argmax(axis=1)
    return np.asarray(sure.any(axis=1) & (said != labels))


def refusals(
    dataset: Dataset, answers: AnswerSource, options: argparse.Namespace, folder: Path
) -> list[dict[str, Any]]:
    """What is said of a cut that takes all samples of the tiny class, under both bounds."""
    tiny = np.asarray(dataset.train.labels) == CLASS_NAMES.index(options.tiny_class)
    Curation(dataset, answers, None).run(context(folder / "scores", options))
    column = open_scores(folder / "scores")["label_probability"]
    just_above = min(1.0, float(np.nextafter(column[tiny].max(), np.float32(2))))
    cut = Cut(score="label_probability", threshold=just_above)
    if not (column[tiny] < just_above).all():
        raise RuntimeError("the teacher is wholly sure of the tiny class. Train it shorter")
    rows = []
    for name, bounds in (("default", {}), ("loosest", LOOSE)):
        config = Curate(tail=(cut,), suspect_labels=None, **bounds)
        said = None
        try:
            Curation(dataset, answers, config).run(context(folder / name, options))
        except InputError as error:
            about = f"class '{options.tiny_class}' would lose {tiny.sum()} of its {tiny.sum()}"
            said = next((str(fault) for fault in error.faults if about in fault.problem), None)
        rows.append({"bounds": name, "threshold": cut.threshold, "refused_with": said})
    return rows


def percent(share: float | None) -> str:
    """A share in per cent, or a dash where there is none."""
    return "      -" if share is None else f"{100 * share:5.1f} %"


def show(document: dict[str, Any]) -> None:
    """The tables."""
    teacher, default = document["teacher"], document["default"]
    print(
        f"teacher: {100 * teacher['validation_accuracy']:.2f} % on {VALIDATION} test pictures, "
        f"says the given label on {100 * teacher['agreement_with_poisoned_labels'][0]:.2f} % of "
        f"the training samples ({teacher['training_s']} s)"
    )
    print("\nrule                 suspects   found/flips      recall   precision")
    for row in document["rules"]:
        print(
            f"{row['rule']:18s}   {row['suspects']:8d}   {row['found']:5d}/{row['flips']:<5d}"
            f"     {percent(row['recall'])}     {percent(row['precision'])}"
        )
    print("\nthe default by given label")
    print("class          samples  suspects  found/flips   recall  precision")
    for name, row in default["by_given_label"].items():
        print(
            f"{name:12s}  {row['samples']:8d}  {row['suspects']:8d}  {row['found']:5d}/"
            f"{row['flips']:<5d}  {percent(row['recall'])}    {percent(row['precision'])}"
        )
    print(
        f"\nthe default: {default['found']} of {default['flips']} flips found "
        f"({percent(default['recall']).strip()}, the bar is {percent(BAR).strip()}), "
        f"precision {percent(default['precision']).strip()}"
    )
    for row in document["refusals"]:
        print(f"\na cut of the whole tiny class, {row['bounds']} bounds:")
        print(f"  {row['refused_with'] or 'NOT REFUSED'}")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything that is told, raw."""
    with np.load(NPZ, allow_pickle=False) as file:
        npz = {name: file[name] for name in file.files}
    poisoned = poison(npz, options)
    dataset = prepare(poisoned, npz, options, folder / "data")
    print(
        f"{len(poisoned.labels)} training samples, {int(poisoned.flipped.sum())} labels flipped, "
        f"{int((poisoned.labels == CLASS_NAMES.index(options.tiny_class)).sum())} labelled "
        f"'{options.tiny_class}'",
        flush=True,
    )
    answers, teacher = ask_teacher(dataset, options, folder)
    suspect = curate(dataset, answers, Curate(), options, folder / "default")
    return {
        "options": {name: value for name, value in vars(options).items() if name != "json"},
        "conditions": {
            "machine": platform.machine(),
            "processors": os.cpu_count(),
            "versions": {
                name: metadata.version(name) for name in ("edgedistill", "torch", "numpy")
            },
        },
        "config": Curate().model_dump(mode="json"),
        "teacher": teacher,
        "default": judge(poisoned, suspect),
        "rules": sweep(dataset, answers, poisoned, options, folder / "sweep"),
        "refusals": refusals(dataset, answers, options, folder / "refusals"),
    }


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4, help="of the teacher")
    parser.add_argument("--width", type=int, default=16, help="channels of its first stage")
    parser.add_argument("--stem-stride", type=int, default=2, choices=(1, 2, 4))
    parser.add_argument("--views", type=int, default=4, help="of each sample")
    parser.add_argument("--samples", type=int, help="of the other classes; all where absent")
    parser.add_argument("--flips", type=float, default=0.05, help="share of the labels")
    parser.add_argument("--tiny-class", default="Bag", choices=CLASS_NAMES)
    parser.add_argument("--tiny-samples", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="where the raw figures go")
    return parser.parse_args()


def main() -> int:
    """Runs it, prints the tables, and says whether the bars are kept."""
    options = read_options()
    if not NPZ.is_file():
        if missing(DEFAULT_FOLDER):
            print(f"SKIPPED: neither {NPZ} nor the files in {DEFAULT_FOLDER} are here.")
            print("Make the first with fashion_mnist/prepare.py --folder FOLDER.")
            return 0
        write_npz(DEFAULT_FOLDER, NPZ)
    with tempfile.TemporaryDirectory() as folder:
        document = measure(options, Path(folder))
    show(document)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
        print(f"\nraw figures: {options.json}")
    recall = document["default"]["recall"]
    enough = recall is not None and recall >= BAR
    refused = all(row["refused_with"] for row in document["refusals"])
    print(f"\n{'kept' if enough and refused else 'MISSED'}")
    return 0 if enough and refused else 1


if __name__ == "__main__":
    sys.exit(main())
