"""Networks that plain int8 spoils, and what saves each: every rung of the ladder has one.

    python benchmarks/accuracy_kept.py [--only bias-correction] [--write]

For each case the ladder is climbed twice: with everything allowed, which must end with that way
and keep the budget, all cheaper ways having failed; and without it and without fall-back to float,
which must fail or need a costlier way. Fine-tuning follows where the whole ladder failed, as in a
run. The budget is one point of accuracy against the float network, on samples that nothing was
calibrated or trained with. Sixteen-bit activations are for units that this machine does not have:
accuracy is all that is judged here, on ONNX Runtime's processor kernels.
`--write` writes `benchmarks/results/accuracy_kept.json`, with `--only` these cases of it.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import accuracy_kept_last as last
import accuracy_kept_networks as networks
import numpy as np
import onnxruntime
import torch

from edgedistill import tasks
from edgedistill.app.judges import BudgetJudge
from edgedistill.bench.predict import LOGITS_FILE
from edgedistill.catalog.profiles import load
from edgedistill.core.attempts import TECHNIQUES, Attempts, Technique, Way
from edgedistill.core.budget import Budget
from edgedistill.core.profile import QuantizationScheme
from edgedistill.core.quantizing import Quantize
from edgedistill.core.report import Int8Check
from edgedistill.core.stage import StageContext
from edgedistill.core.strict import plain
from edgedistill.stages.quantize import Quantization

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.data.dataset import Dataset

RESULT = Path(__file__).resolve().parent / "results" / "accuracy_kept.json"
BUDGET = Budget(max_accuracy_drop=0.01)


@dataclass(frozen=True)
class Case:
    """A network, and what saves it.

    Attributes:
        why: What makes plain int8 fail.
        data: The samples.
        train: Trains the network and writes it.
        change: What is put into the file after training; None where nothing is.
        scheme: Of the target.
    """

    why: str
    data: Callable[[], Dataset]
    train: Callable[[Dataset, Path], None]
    change: Callable[[Path], None] | None = None
    scheme: dict[str, Any] = field(default_factory=dict)


PER_TENSOR = {"per_channel": False}
NPU = "snapdragon-8-gen-1"
"""A profile whose first scheme falls back to sixteen bits."""


def scheme_of_the_npu() -> dict[str, Any]:
    """The first scheme of `NPU`."""
    profile = load(NPU)
    scheme = profile.runtimes["qnn"].int8
    assert scheme is not None
    found: dict[str, Any] = plain(scheme)
    return found


CASES: dict[Way, Case] = {
    "calibration": Case(
        "one of 128 calibration pictures has a hot pixel",
        networks.digits_of_a_broken_sensor,
        networks.convolutional,
    ),
    "bias-correction": Case(
        "one weight scale per tensor, channels that differ by a factor of up to 8",
        networks.digits,
        networks.depthwise,
        networks.unequal(1.5),
        PER_TENSOR,
    ),
    "equalization": Case(
        "one weight scale per tensor, channels that differ by a factor of up to 64",
        networks.digits,
        networks.depthwise,
        networks.unequal(3.0),
        PER_TENSOR,
    ),
    "smoothing": Case(
        "three features of a transformer are 60 times as large as the others",
        networks.digits,
        networks.transformer,
        networks.outlier_features,
    ),
    "rounding": Case(
        "one weight scale per tensor, and weights nobody taught 30 to 50 times as large",
        networks.digits,
        networks.perceptron,
        networks.loud_weights,
        PER_TENSOR,
    ),
    "fall-back": Case(
        "inputs in units of their own, from 0.001 to 4254",
        networks.tumours,
        networks.standardized,
    ),
    "sixteen-bit-activations": Case(
        "a sensor's counts: 16 for all that is seen, above a black level of 2000",
        last.digits_in_counts,
        last.counting,
        scheme=scheme_of_the_npu(),
    ),
    "fine-tuning": Case(
        "one weight scale per tensor, a residual stream whose channels differ by up to 1024",
        networks.digits,
        last.residual,
        scheme=PER_TENSOR,
    ),
}
ORDER: tuple[Way, ...] = (*TECHNIQUES, "sixteen-bit-activations", "fine-tuning")
"""By cost. Sixteen bits are what the last technique, fall-back, falls back to in some schemes."""


def scheme_of(case: Case) -> QuantizationScheme:
    """How int8 stands for real numbers in a case."""
    return QuantizationScheme.model_validate(
        {"activation": "uint8", "reason": "a benchmark", **case.scheme}
    )


def climb(
    model: Path,
    data: Dataset,
    case: Case,
    methods: tuple[Technique, ...],
    *,
    reference: Path | None = None,
) -> Attempts:
    """One ladder.

    Args:
        model: What is quantized.
        data: The samples.
        case: For its scheme.
        methods: What may be tried.
        reference: The float network that it is judged against; None for the model itself.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "step").mkdir()
        stage = Quantization(
            model=model,
            dataset=data,
            config=Quantize(methods=methods),
            scheme=scheme_of(case),
            runs_here=scheme_of(case).fall_back == "float",
            judge=_judge(reference or model, data, folder),
        )
        facts = stage.run(StageContext(folder / "step")).facts
    attempts = Int8Check.read(facts["check"], file=model).attempts
    assert attempts is not None
    return attempts


def _judge(model: Path, data: Dataset, folder: Path) -> BudgetJudge:
    """The float network is its own teacher."""
    split = data.validation
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    logits = session.run(None, split.batch(np.arange(len(split))))[0]
    np.save(folder / LOGITS_FILE, logits)
    teacher = tasks.evaluate(logits, split.labels, None, data.class_names)
    return BudgetJudge(data, teacher, folder, BUDGET, threads=1)


def measure(way: Way, case: Case, folder: Path) -> dict[str, Any]:
    """Both ladders of one case."""
    torch.manual_seed(0)
    data = case.data()
    trained, model = folder / case.train.__name__ / "trained.onnx", folder / f"{way}.onnx"
    if not trained.exists():
        trained.parent.mkdir()
        case.train(data, trained)
    shutil.copy(trained, model)
    if case.change is not None:
        case.change(model)
    if way == "fine-tuning":
        without = climb(model, data, case, TECHNIQUES)
        learned = folder / "tuned.onnx"
        last.tuned(scheme_of(case), data, trained.parent, learned)
        whole = climb(learned, data, case, TECHNIQUES, reference=model)
    else:
        others = tuple(one for one in TECHNIQUES if one not in (way, "fall-back"))
        whole = climb(model, data, case, TECHNIQUES)
        without = climb(model, data, case, others)
    print(f"\n{way}: {case.why}", flush=True)
    for one in whole.tried:
        print(f"  {_told(one.model_dump())}", flush=True)
    print(f"  without it: {_told(without.kept[-1].model_dump())}", flush=True)
    return {
        "why": case.why,
        "saved_by": way if way == "fine-tuning" else whole.kept[-1].way,
        "holds": whole.broken is None,
        "holds_without": without.broken is None,
        "saved_by_without": without.kept[-1].way,
        "whole": whole.model_dump(mode="json"),
        "without": without.model_dump(mode="json"),
    }


def _told(one: dict[str, Any]) -> str:
    name = f"{one['way']} {one['detail']}".strip()
    if one["figure"] is None:
        return name
    fate = "holds" if one["holds"] else "kept" if one["kept"] else "not kept"
    return f"{name:48} {100 * one['figure']:6.2f} %  distance {one['distance']:.4f}  {fate}"


def missed(record: dict[str, Any]) -> list[str]:
    """Which cases do not show what they are to show."""
    faults = []
    for way, row in record["cases"].items():
        if not row["holds"] or row["saved_by"] != way:
            faults.append(f"{way}: ended with {row['saved_by']}, budget kept: {row['holds']}")
        instead = row["saved_by_without"]
        if row["holds_without"] and ORDER.index(instead) < ORDER.index(way):
            faults.append(f"{way}: {instead} keeps the budget as well, and is cheaper")
    return faults


def write(record: dict[str, Any]) -> None:
    """Writes the record; cases that were found under the same conditions and not now stay."""
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else record
    kept = before["cases"] if before["conditions"] == record["conditions"] else {}
    cases = kept | record["cases"]
    ordered = {way: cases[way] for way in CASES if way in cases}
    whole = {"conditions": record["conditions"], "cases": ordered}
    RESULT.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Climbs, prints, and writes the record where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=tuple(CASES), default=tuple(CASES))
    parser.add_argument("--write", action="store_true", help="write the record")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    record: dict[str, Any] = {
        "conditions": {
            "machine": platform.machine(),
            "onnxruntime": version("onnxruntime"),
            "torch": version("torch"),
            "budget": BUDGET.model_dump(mode="json", exclude_none=True),
        },
        "cases": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for way in arguments.only:
            record["cases"][way] = measure(way, CASES[way], Path(folder))
    if arguments.write:
        write(record)
        print(f"written: {RESULT}")
    faults = missed(record)
    print("\n".join(["", *faults]) if faults else "\nevery way saves its network")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
