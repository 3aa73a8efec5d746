"""What a teacher costs a student's training, side by side with training without the product.

Three questions, each a ratio with a bar:

epoch   An epoch of distillation with the teacher's answers on disk, against an epoch of plain
        training of the same student on the same batches.
first   Asking the teacher and one epoch of distillation, against a hand-written loop that runs
        teacher and student on each batch. Without a bar: as many views and epochs of each.
memory  The most anonymous memory of a process that asks the teacher about ten times as many
        samples, against one that asks about as many. There are 1,000 classes, so that answers
        held in memory would show.

The sides of a question take turns, in a random order within each round, and are compared round by
round. Prints the median ratio with a 95 % interval of order statistics; exits 1 unless the whole
interval is at or below the bar. Works on Fashion-MNIST, or on noise of the same shapes where that
is not here: the cost does not depend on what the pictures show, nor on what the teacher knows.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fashion_mnist.prepare import DEFAULT_FOLDER, missing, write_npz
from safetensors.torch import save_file
from torch.nn import functional

from edgedistill import models
from edgedistill.bench.statistics import order_bounds
from edgedistill.core.learning import Answers, Distill, Training
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.data import Dataset, Split
from edgedistill.stages.distill import Distillation, Teach, Train, open_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
NPZ = HERE / "fashion_mnist" / "fashion-mnist.npz"

TEACHER = Model(source="builtin:residual-cnn", args={"width": 32, "depth": 1, "stages": 3})
STUDENT = Model(source="builtin:residual-cnn", args={"width": 16, "stem_stride": 2})
ASKED_FOR_MEMORY = Model(source="builtin:residual-cnn", args={"width": 8, "stem_stride": 2})
TRAINING = Training(epochs=1, batch_size=128, learning_rate=3e-3)
TEMPERATURE = 4.0
ALPHA = 0.9
VALIDATION_SAMPLES = 256
MEMORY_CLASSES = 1000
MEMORY_FACTOR = 10
CONFIDENCE = 0.95
QUESTIONS = ("epoch", "first", "memory")
PIXELS = Preprocessing(
    kind="image", color="grey", scale=1 / 255, mean=(0.286,), std=(0.353,), layout="nchw"
)


@dataclass(frozen=True)
class Question:
    """Two sides, and how much more the first may take than the second."""

    name: str
    title: str
    ours: Callable[[Path], dict[str, float]]
    theirs: Callable[[Path], dict[str, float]]
    unit: str
    """Of what is compared: one of the keys that the sides give."""
    bar: float | None


@dataclass(frozen=True)
class Ground:
    """What the sides share."""

    pictures: np.ndarray
    """uint8 `[n, 28, 28, 1]`."""
    labels: np.ndarray
    threads: int

    def dataset(self, *, views: int) -> Dataset:
        """The pictures to learn from, and the last ones to be judged by."""
        cut = len(self.labels) - VALIDATION_SAMPLES
        learned = (self.pictures[:cut], self.labels[:cut])
        judged = (self.pictures[cut:], self.labels[cut:])
        return dataset_of(learned, judged, views=views, classes=10)

    @property
    def clock(self) -> str:
        """What is compared: threads that wait for each other burn processor time, one does not."""
        return "processor_s" if self.threads == 1 else "wall_s"

    def context(self, folder: Path, name: str) -> StageContext:
        """As a run gives it to a step, with a folder for what is half done."""
        place, checkpoint = folder / name, folder / f"{name}-checkpoint"
        place.mkdir()
        checkpoint.mkdir()
        return StageContext(place, seed=0, threads=self.threads, checkpoint=checkpoint)


Samples = tuple[np.ndarray, np.ndarray]
"""Pictures, uint8 `[n, 28, 28, 1]`, and their labels, int64 `[n]`."""


def dataset_of(learned: Samples, judged: Samples, *, views: int, classes: int) -> Dataset:
    """A data set as the stages take it."""

    def split(samples: Samples, augmentation: Augmentation) -> Split:
        pictures, labels = samples
        return Split({"input": pictures}, labels, None, PIXELS, augmentation)

    moved = Augmentation(views=views, shift_pixels=2) if views > 1 else Augmentation()
    return Dataset(
        name="cost",
        source="cost",
        sha256="0" * 64,
        class_names=tuple(str(name) for name in range(classes)),
        preprocessing=PIXELS,
        train=split(learned, moved),
        validation=split(judged, Augmentation()),
        test=None,
        calibration=split(judged, Augmentation()),
    )


def network(model: Model, *, classes: int = 10) -> models.Network:
    """A network with fresh weights."""
    signature = models.Signature(inputs={"input": (1, 28, 28)}, classes=classes)
    return models.create(model, signature, base=HERE, seed=0, preprocessing=PIXELS)


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Processor time of all threads and wall time, in seconds."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return {"processor_s": time.process_time() - processor, "wall_s": time.perf_counter() - wall}


def config(epochs: int) -> Distill:
    """How the student is distilled."""
    train = TRAINING.model_copy(update={"epochs": epochs})
    return Distill(temperature=TEMPERATURE, alpha=ALPHA, train=train)


def plain(ground: Ground, folder: Path) -> None:
    """An epoch on labels."""
    dataset = ground.dataset(views=1)
    Train(network(STUDENT), dataset, TRAINING).run(ground.context(folder, "plain"))


def distilled(ground: Ground, folder: Path, *, answers: Path, epochs: int = 1) -> None:
    """Epochs on answers that are on disk, each in a view of its own."""
    dataset, kept = ground.dataset(views=epochs), open_answers(answers)
    student = Distillation(network(STUDENT), dataset, kept, config(epochs))
    student.run(ground.context(folder, "distilled"))


def with_cache(ground: Ground, folder: Path, *, epochs: int) -> None:
    """The teacher asked on as many views as there are epochs, then those epochs."""
    context = ground.context(folder, "answers")
    Teach(network(TEACHER), ground.dataset(views=epochs)).run(context)
    distilled(ground, folder, answers=context.folder, epochs=epochs)


def by_hand(ground: Ground, folder: Path, *, epochs: int) -> None:
    """What one writes without the product: the teacher runs beside the student at each step."""
    torch.set_num_threads(ground.threads)
    dataset = ground.dataset(views=epochs)
    teacher, student = (network(model).module for model in (TEACHER, STUDENT))
    teacher.eval()
    steps = len(dataset.train) // TRAINING.batch_size
    optimizer = torch.optim.AdamW(
        student.parameters(), weight_decay=TRAINING.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, TRAINING.learning_rate, total_steps=steps * epochs
    )
    accuracy(student, dataset.validation)
    draw = np.random.default_rng(0)
    for view in range(epochs):
        order = draw.permutation(len(dataset.train))
        student.train()
        for step in range(steps):
            indices = order[step * TRAINING.batch_size :][: TRAINING.batch_size]
            pixels = tensor(dataset.train.batch(indices, view=view)["input"])
            with torch.no_grad():
                given = teacher(pixels)
            answers = student(pixels)
            loss = ALPHA * TEMPERATURE**2 * functional.kl_div(
                functional.log_softmax(answers / TEMPERATURE, dim=1),
                functional.log_softmax(given / TEMPERATURE, dim=1),
                reduction="batchmean",
                log_target=True,
            ) + (1 - ALPHA) * functional.cross_entropy(
                answers, torch.from_numpy(dataset.train.labels[indices])
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            loss.item()
        accuracy(student, dataset.validation)
    save_file(copy.copy(student.state_dict()), folder / "by-hand.safetensors")


def accuracy(module: torch.nn.Module, split: Split) -> float:
    """Share of the samples that a network gets right."""
    right = 0
    module.eval()
    with torch.no_grad():
        for indices, inputs in split.batches(256):
            best = module(tensor(inputs["input"])).argmax(1).numpy()
            right += int((best == split.labels[indices]).sum())
    return right / len(split)


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """Pictures pixel by pixel, the quicker way for these networks."""
    return torch.from_numpy(pixels).to(memory_format=torch.channels_last)


def memory_of_asking(folder: Path, threads: int) -> dict[str, float]:
    """The most anonymous memory of a process that asks about the samples in a folder."""
    command = [sys.executable, __file__, "--ask-in", str(folder), "--threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return {"anonymous_mb": float(found.stdout)}


def ask_in(folder: Path, threads: int) -> float:
    """Asks a small teacher about the samples in a folder; the most anonymous memory, in MB."""
    pictures, labels = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("pictures", "labels")
    )
    few = (pictures[:VALIDATION_SAMPLES], labels[:VALIDATION_SAMPLES])
    dataset = dataset_of((pictures, labels), few, views=1, classes=MEMORY_CLASSES)
    with (
        tempfile.TemporaryDirectory() as place,
        tempfile.TemporaryDirectory() as checkpoint,
        highest_memory() as seen_kb,
    ):
        context = StageContext(Path(place), threads=threads, checkpoint=Path(checkpoint))
        Teach(network(ASKED_FOR_MEMORY, classes=MEMORY_CLASSES), dataset, Answers()).run(context)
    return max(seen_kb) * 1024 / 1e6


class highest_memory:  # noqa: N801  # reads as a word where it is used
    """Looks at this process's anonymous memory, in kB, every few milliseconds."""

    def __enter__(self) -> list[int]:
        self._seen: list[int] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self._seen

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            lines = Path("/proc/self/status").read_text().splitlines()
            self._seen += [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
            if self._end.wait(0.002):
                return


def samples_for_memory(ground: Ground, folder: Path, samples: int) -> Path:
    """As many samples as wanted, on disk; the pictures repeat."""
    folder.mkdir()
    chosen = np.arange(samples) % len(ground.labels)
    np.save(folder / "pictures.npy", ground.pictures[chosen])
    np.save(folder / "labels.npy", ground.labels[chosen])
    return folder


def question_of_an_epoch(ground: Ground, folder: Path) -> Question:
    """Does it cost more to learn from kept answers than from labels?"""
    context = ground.context(folder, "warm")
    Teach(network(TEACHER), ground.dataset(views=1)).run(context)
    return Question(
        "epoch",
        "an epoch with answers on disk / an epoch of plain training",
        lambda place: timed(lambda: distilled(ground, place, answers=context.folder)),
        lambda place: timed(lambda: plain(ground, place)),
        ground.clock,
        1.05,
    )


def question_of_epochs(ground: Ground, epochs: int, *, bar: float | None) -> Question:
    """Does it cost more to ask first and then learn than to do both at each step?"""
    return Question(
        "first" if epochs == 1 else "views",
        f"teacher asked in {epochs} view(s), {epochs} epoch(s) / teacher at each step",
        lambda place: timed(lambda: with_cache(ground, place, epochs=epochs)),
        lambda place: timed(lambda: by_hand(ground, place, epochs=epochs)),
        ground.clock,
        bar,
    )


def question_of_memory(ground: Ground, folder: Path, samples: int) -> Question:
    """Does memory grow with the number of samples?"""
    few = samples_for_memory(ground, folder / "few", samples)
    many = samples_for_memory(ground, folder / "many", MEMORY_FACTOR * samples)
    return Question(
        "memory",
        f"memory for {MEMORY_FACTOR * samples} samples / for {samples}",
        lambda _place: memory_of_asking(many, ground.threads),
        lambda _place: memory_of_asking(few, ground.threads),
        "anonymous_mb",
        1.1,
    )


def questions(ground: Ground, folder: Path, given: argparse.Namespace) -> Iterator[Question]:
    """Those that are wanted, made ready to be measured."""
    if "epoch" in given.only:
        yield question_of_an_epoch(ground, folder)
    if "first" in given.only:
        yield question_of_epochs(ground, 1, bar=1.05)
    if "first" in given.only and given.views > 1:
        yield question_of_epochs(ground, given.views, bar=None)
    if "memory" in given.only:
        yield question_of_memory(ground, folder, given.samples)


def measure(asked: list[Question], rounds: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Question to what both sides took, round by round, after one that does not count."""
    order = random.Random(seed)
    samples: dict[str, list[dict[str, Any]]] = {question.name: [] for question in asked}
    sides = [(question, side) for question in asked for side in ("ours", "theirs")]
    for turn in range(-1, rounds):
        found: dict[str, dict[str, Any]] = {question.name: {} for question in asked}
        for question, side in order.sample(sides, k=len(sides)):
            with tempfile.TemporaryDirectory() as place:
                found[question.name][side] = getattr(question, side)(Path(place))
        if turn >= 0:
            for name, both in found.items():
                samples[name].append(both)
            print(f"  round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    return samples


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """The median between the two order statistics that hold it at the wanted confidence."""
    bounds = order_bounds(len(values), 0.5, CONFIDENCE)
    if bounds is None:
        raise SystemExit("too few rounds for an interval: give --rounds 6 or more")
    ordered = sorted(values)
    return ordered[bounds[0] - 1], median(ordered), ordered[bounds[1] - 1]


def judge(question: Question, samples: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of a question, printed; `kept` is None where there is no bar."""
    print(f"{question.title}, n = {len(samples)}, interleaved")
    ratios: dict[str, dict[str, float]] = {}
    for unit in samples[0]["ours"]:
        sides = {side: median(each[side][unit] for each in samples) for side in samples[0]}
        low, middle, high = median_interval(
            [each["ours"][unit] / each["theirs"][unit] for each in samples]
        )
        ratios[unit] = {"median": middle, "low": low, "high": high, **sides}
        print(
            f"  {unit:13} medians {sides['ours']:8.2f} / {sides['theirs']:8.2f}   "
            f"ratio {middle:.3f}  [{low:.3f}, {high:.3f}]"
        )
    kept = None
    if question.bar is not None:
        kept = ratios[question.unit]["high"] <= question.bar
        print(f"  bar on {question.unit}: at most {question.bar}: {'kept' if kept else 'missed'}")
    return {"title": question.title, "ratios": ratios, "bar": question.bar, "kept": kept}


def ground_of(samples: int, threads: int) -> tuple[Ground, str]:
    """Fashion-MNIST where it is here, else noise of the same shapes; and which of them it is."""
    wanted = samples + VALIDATION_SAMPLES
    if not NPZ.is_file() and not missing(DEFAULT_FOLDER):
        write_npz(DEFAULT_FOLDER, NPZ)
    if NPZ.is_file():
        with np.load(NPZ, allow_pickle=False) as arrays:
            pictures, labels = (arrays[f"train_{name}"][:wanted] for name in ("inputs", "labels"))
        if len(labels) < wanted:
            raise SystemExit(f"Fashion-MNIST has no {wanted} pictures: give fewer --samples")
        return Ground(pictures, labels, threads), "Fashion-MNIST"
    draw = np.random.default_rng(0)
    pictures = draw.integers(0, 256, (wanted, 28, 28, 1), dtype=np.uint8)
    return Ground(pictures, draw.integers(0, 10, wanted), threads), "noise of the same shapes"


def conditions(given: argparse.Namespace, data: str) -> dict[str, Any]:
    """Under which conditions the figures were taken."""
    return {
        "data": data,
        "train_samples": given.samples,
        "validation_samples": VALIDATION_SAMPLES,
        "views": given.views,
        "teacher": TEACHER.model_dump(mode="json"),
        "student": STUDENT.model_dump(mode="json"),
        "batch_size": TRAINING.batch_size,
        "threads": given.threads,
        "rounds": given.rounds,
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "versions": {name: metadata.version(name) for name in ("edgedistill", "torch", "numpy")},
        "interval": "order statistics of the ratio of each round, 95 %",
    }


def main() -> int:
    """Measures, prints, and gives 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=48 * TRAINING.batch_size)
    parser.add_argument("--views", type=int, default=2, help="of the comparison without a bar")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=QUESTIONS, choices=QUESTIONS)
    parser.add_argument("--json", type=Path, help="where to write the raw figures")
    parser.add_argument("--ask-in", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask_in:
        print(ask_in(given.ask_in, given.threads))
        return 0
    if given.samples % TRAINING.batch_size:
        # Else the teacher that is asked first answers on samples that no batch of the other takes.
        parser.error(f"--samples {given.samples} is no multiple of {TRAINING.batch_size}")
    ground, data = ground_of(given.samples, given.threads)
    print(f"{data}, {given.samples} samples, {given.threads} thread(s)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        asked = list(questions(ground, Path(folder), given))
        samples = measure(asked, given.rounds, given.seed)
    found = {question.name: judge(question, samples[question.name]) for question in asked}
    if given.json:
        document = {"conditions": conditions(given, data), "found": found, "rounds": samples}
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    return 0 if all(each["kept"] in (True, None) for each in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
