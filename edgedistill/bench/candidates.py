"""What is brought to a device to be measured, and whether it can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Candidate:
    """A model to be measured, by the name it has in the results."""

    name: str
    model: Path


def require_measurable(candidates: Sequence[Candidate], inputs: Mapping[str, np.ndarray]) -> None:
    """Refuses models that are not there and inputs that nobody can run on.

    Args:
        candidates: The models.
        inputs: Samples by input name, `[samples, ...]`.

    Raises:
        InputError: With all faults at once.
    """
    faults = [
        Fault(file=item.model, problem="there is no such model", remedy="Give an .onnx file")
        for item in candidates
        if not item.model.is_file()
    ]
    names = [item.name for item in candidates]
    if not names or len(set(names)) != len(names):
        remedy = "Give at least one candidate, each by its own name"
        faults.append(Fault(problem="no names", given=", ".join(names), remedy=remedy))
    lengths = {len(array) for array in inputs.values()}
    if len(lengths) != 1 or 0 in lengths:
        remedy = "Give one or more samples, equally many for every input"
        faults.append(Fault(problem="no samples to run on", given=str(lengths), remedy=remedy))
    for name, array in inputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            remedy = "Give finite numbers"
            faults.append(Fault(field=name, problem="holds NaN or infinity", remedy=remedy))
    if faults:
        raise InputError(*faults)
