"""Is our pruning at least as good as torch-pruning's own group-norm example?

Each seed has one residual network, taught on some pictures of Fashion-MNIST. Theirs: BasePruner
with GroupMagnitudeImportance(p=2), global, step by step until the multiply-accumulates are what
was asked, then fine-tuning on labels, as its example does. Ours: the prune stage at no more
multiply-accumulates than theirs, then recovery by distillation from the unpruned network. Both
learn for the same number of steps in the same order at the same learning rate. Then again at equal
measured latency: ours is the widest of a row of networks, in widths that kernels like, that takes
no longer than theirs. A third arm, our network on labels alone, tells the share of
the widths from that of the lesson.

Bars: at equal multiply-accumulates the mean paired difference is not below 0; at equal latency it
is above 0.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import statistics
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
import torch_pruning
from distillation_gain import paired_interval
from fashion_mnist.prepare import DEFAULT_FOLDER, missing
from pruned_fashion import SIGNATURE, Pictures, accuracy, answers, fresh, pictures, pruned, teach

from edgedistill.core.pruning import Prune
from edgedistill.models.quiet import quiet
from edgedistill.stages.distill.losses.objective import answers_loss
from edgedistill.stages.prune.cuts import layer_widths
from edgedistill.stages.prune.macs import count_macs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from edgedistill.core.pruning import ImportanceName

RESULTS = Path(__file__).resolve().parent / "results" / "prune_against_group_norm.json"
SOURCE, ARGS = "builtin:residual-cnn", {"width": 12, "stem_stride": 2}
TRAIN, TEST = 20_000, 10_000
STEPS, RECOVERY_STEPS = 2000, 400
RECOVERY_RATE = 2e-3
MACS_RATIO = 0.35
IMPORTANCE: ImportanceName = "activation"
ROW = (0.55, 0.5, 0.46, 0.43, 0.4, 0.37, 0.34, 0.31)
"""Shares of the multiply-accumulates at which our networks are measured."""
STEPS_OF_WIDTHS = (4, 8)
"""Their widths are multiples of one of these."""
ROUNDS, RUNS = 40, 20


def group_norm(whole: nn.Module, shares: Sequence[float]) -> list[nn.Module]:
    """torch-pruning's example: 400 small steps; the network as it first is within each share.

    Args:
        whole: Stays as it is.
        shares: Of its multiply-accumulates, the largest first.
    """
    smaller = copy.deepcopy(whole).requires_grad_(requires_grad=True)
    head = [layer for layer in smaller.modules() if getattr(layer, "out_features", 0) == 10]
    pruner = torch_pruning.pruner.BasePruner(
        smaller,
        torch.zeros(1, 1, 28, 28),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=1.0,
        iterative_steps=400,
        ignored_layers=head,
    )
    dense = count_macs(smaller, SIGNATURE.zeros())
    found = []
    for share in shares:
        while count_macs(smaller, SIGNATURE.zeros()) > share * dense:
            pruner.step()
        found.append(copy.deepcopy(smaller))
    return found


def recover(
    module: nn.Module, whole: nn.Module, lesson: Pictures, seed: int, *, distil: bool
) -> nn.Module:
    """A copy that has learnt again, from the unpruned network or from labels alone."""
    learner = copy.deepcopy(module)
    config = Prune(macs_ratio=MACS_RATIO).recover
    told = answers(whole, lesson.inputs)

    def loss(given: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return answers_loss(given, told[places], lesson.labels[places], config)

    teach(
        learner,
        lesson,
        steps=RECOVERY_STEPS,
        learning_rate=RECOVERY_RATE,
        seed=seed,
        loss=loss if distil else None,
    )
    return learner


def sessions(modules: list[nn.Module]) -> list[onnxruntime.InferenceSession]:
    """Each network exported and loaded in onnxruntime, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    made = []
    with tempfile.TemporaryDirectory() as folder, quiet():
        for at, module in enumerate(modules):
            file = Path(folder) / f"{at}.onnx"
            torch.onnx.export(
                copy.deepcopy(module).eval(),
                (torch.zeros(1, 1, 28, 28),),
                file,
                dynamo=True,
                input_names=["input"],
                external_data=False,
                verbose=False,
            )
            made.append(onnxruntime.InferenceSession(file, sess_options=options))
    return made


def latencies_us(modules: list[nn.Module]) -> list[float]:
    """The median of each network's mean process time in interleaved rounds, in microseconds."""
    loaded = sessions(modules)
    feed = {"input": np.zeros((1, 1, 28, 28), np.float32)}
    samples: list[list[float]] = [[] for _ in modules]
    order = np.random.default_rng(0)
    for turn in range(ROUNDS + 1):
        for at in order.permutation(len(loaded)):
            begun = time.process_time_ns()
            for _ in range(RUNS):
                loaded[at].run(None, feed)
            if turn:  # the first round warms up
                samples[at].append((time.process_time_ns() - begun) / RUNS / 1000)
    return [statistics.median(one) for one in samples]


def at_equal_macs(whole: nn.Module, lesson: Pictures) -> tuple[nn.Module, nn.Module]:
    """Theirs, and ours with no more multiply-accumulates."""
    dense = count_macs(whole, SIGNATURE.zeros())
    (theirs,) = group_norm(whole, [MACS_RATIO])
    ratio = count_macs(theirs, SIGNATURE.zeros()) / dense
    asked = Prune(macs_ratio=ratio, round_to=1, importance=IMPORTANCE)
    return theirs, pruned(whole, asked, lesson)


def at_equal_latency(
    whole: nn.Module, lesson: Pictures
) -> tuple[nn.Module, nn.Module, list[float]]:
    """Theirs and ours, and their latencies: ours is the widest of a row that is no slower."""
    (theirs,) = group_norm(whole, [MACS_RATIO])
    row = [
        pruned(whole, Prune(macs_ratio=share, round_to=step, importance=IMPORTANCE), lesson)
        for share in ROW
        for step in STEPS_OF_WIDTHS
    ]
    limit, *measured = latencies_us([theirs, *row])
    macs = [count_macs(module, SIGNATURE.zeros()) for module in row]
    within = [at for at, latency in enumerate(measured) if latency <= limit]
    if not within:
        raise SystemExit(f"none of ours is as quick as theirs ({limit:.1f} us)")
    chosen = max(within, key=lambda at: macs[at])
    return theirs, row[chosen], [limit, measured[chosen]]


def rows_of(seed: int, folder: Path, exam: Pictures) -> list[dict[str, Any]]:
    """Both comparisons on one seed's network."""
    lesson = pictures(folder, "train", count=TRAIN, seed=seed)
    whole = fresh(SOURCE, dict(ARGS), seed)
    teach(whole, lesson, steps=STEPS, learning_rate=3e-3, seed=seed)
    known = {"seed": seed, "dense_accuracy": accuracy(whole, exam)}
    rows = []
    pairs = {
        "macs": (*at_equal_macs(whole, lesson), []),
        "latency": at_equal_latency(whole, lesson),
    }
    for equal, (theirs, ours, measured) in pairs.items():
        row = {
            **known,
            "equal": equal,
            "latency_us": measured,
            "macs": [count_macs(module, SIGNATURE.zeros()) for module in (theirs, ours)],
            "widths": [list(layer_widths(module).values()) for module in (theirs, ours)],
            "theirs": accuracy(recover(theirs, whole, lesson, seed, distil=False), exam),
            "ours": accuracy(recover(ours, whole, lesson, seed, distil=True), exam),
            "ours_on_labels": accuracy(recover(ours, whole, lesson, seed, distil=False), exam),
        }
        print({key: value for key, value in row.items() if key != "widths"}, flush=True)
        rows.append(row)
    return rows


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each comparison the paired differences in accuracy points."""
    found = []
    for equal in ("macs", "latency"):
        chosen = [row for row in rows if row["equal"] == equal]
        line: dict[str, Any] = {"equal": equal, "pairs": len(chosen)}
        for arm in ("ours", "ours_on_labels"):
            points = [100 * (row[arm] - row["theirs"]) for row in chosen]
            interval = zip(("mean", "low", "high"), paired_interval(points), strict=True)
            line[f"{arm}_over_theirs_points"] = dict(interval)
        found.append(line)
    return found


def conditions() -> dict[str, Any]:
    """Under which conditions the figures were taken."""
    return {
        "data": f"Fashion-MNIST, {TRAIN} training pictures a seed, the first {TEST} of the test",
        "network": [SOURCE, ARGS],
        "steps": STEPS,
        "recovery_steps": RECOVERY_STEPS,
        "recovery_rate": RECOVERY_RATE,
        "recovery": Prune(macs_ratio=MACS_RATIO).recover.model_dump(
            mode="json", include={"method", "temperature", "alpha"}
        ),
        "macs_ratio": MACS_RATIO,
        "importance": IMPORTANCE,
        "latency": f"process time, one thread, {ROUNDS} interleaved rounds of {RUNS} runs, fp32",
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "versions": {
            name: metadata.version(name)
            for name in ("edgedistill", "torch", "torch-pruning", "onnxruntime")
        },
        "interval": "Student's t over paired differences, two-sided, 95 %",
    }


def main() -> int:
    """Runs all seeds, prints the table, writes the results; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="the IDX files' folder")
    parser.add_argument("--seeds", type=int, choices=range(2, 11), default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if absent := missing(arguments.folder):
        print(f"SKIPPED: {arguments.folder} does not hold {', '.join(absent)}.")
        return 0
    torch.set_num_threads(1)
    exam = pictures(arguments.folder, "test", count=TEST)
    rows: list[dict[str, Any]] = []
    for seed in range(arguments.seeds):
        rows += rows_of(seed, arguments.folder, exam)
        summary = summarise(rows) if seed else []
        document = {"conditions": conditions(), "summary": summary, "rows": rows}
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    for line in summary:
        for arm in ("ours", "ours_on_labels"):
            gain = line[f"{arm}_over_theirs_points"]
            print(
                f"at equal {line['equal']:8} {arm:15} over theirs: {gain['mean']:+.2f} points "
                f"[{gain['low']:+.2f}, {gain['high']:+.2f}]"
            )
    means = {line["equal"]: line["ours_over_theirs_points"]["mean"] for line in summary}
    return 0 if means["macs"] >= 0 and means["latency"] > 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
