"""A short lesson on digits, for one process or for several started by torchrun.

Usage: learn_digits.py FOLDER NETWORK METHOD
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from edgedistill import models
from edgedistill.company import company_of_launch
from edgedistill.core.learning import Distill, Training
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import SilentProgress, StageContext
from edgedistill.core.teacher import Model
from edgedistill.data.dataset import Dataset, Split
from edgedistill.stages.distill import Distillation, Teach, open_answers

PIXELS = Preprocessing(
    kind="image", color="grey", scale=1 / 16, mean=(0.3,), std=(0.4,), layout="nchw"
)


def digits() -> Dataset:
    """512 digits to learn from, 200 to be judged by."""
    source = load_digits()
    pixels, labels = source.images.astype(np.uint8)[..., None], source.target.astype(np.int64)

    def split(part: slice) -> Split:
        return Split({"input": pixels[part]}, labels[part], None, PIXELS, Augmentation())

    return Dataset(
        name="digits",
        source="sklearn:digits",
        sha256="0" * 64,
        class_names=tuple("0123456789"),
        preprocessing=PIXELS,
        train=split(slice(0, 512)),
        validation=split(slice(512, 712)),
        test=None,
        calibration=split(slice(0, 64)),
    )


def network(name: str, seed: int) -> models.Network:
    """A small network with fresh weights."""
    args = {"width": 8, "stages": 2} if name == "residual-cnn" else {"width": 16, "depth": 1}
    signature = models.Signature(inputs={"input": (1, 8, 8)}, classes=10)
    model = Model.model_validate({"source": f"builtin:{name}", "args": args})
    return models.create(model, signature, base=Path(), seed=seed, preprocessing=PIXELS)


def main(folder: Path, name: str, method: str) -> None:
    """Asks a teacher, teaches a student; the first process writes who wrote."""
    company = company_of_launch()
    context = StageContext(folder, 0, 1, SilentProgress(), folder, company)
    Teach(network("residual-cnn", seed=1), digits()).run(context)
    company.wait()
    config = Distill.model_validate(
        {"method": method, "train": Training(epochs=2, batch_size=64, learning_rate=1e-3)}
    )
    student = network(name, seed=0)
    facts = Distillation(student, digits(), open_answers(folder), config).run(context).facts
    if company.rank == 0:
        (folder / f"written-by-{company.rank}").touch()
        (folder / "facts.json").write_text(json.dumps(dict(facts)))
    company.part()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
