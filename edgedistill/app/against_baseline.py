"""A model against its baseline where the device is, for a gate that judges elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.app.baseline import baseline_model_file
from edgedistill.app.rerun import PERCENTILES, Effort, Rivals, rerun
from edgedistill.core.relative_latency import NotRerun
from edgedistill.errors import Fault, InputError
from edgedistill.render.document import read_baseline
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from edgedistill.core.profile import TargetProfile
    from edgedistill.core.relative_latency import RelativeLatency
    from edgedistill.core.stage import Progress

_STARTS = 32
"""Enough for intervals at every confidence of the ladder (`core.figure`)."""


@dataclass(frozen=True)
class BaselineFiles:
    """Where a baseline lies."""

    file: Path
    model: str | Path | None = None
    """Its ONNX file; None where that lies beside it."""


def against_baseline(
    model: Path,
    profile: TargetProfile,
    baseline: BaselineFiles,
    *,
    on_device: bool,
    progress: Progress,
) -> RelativeLatency:
    """Every ratio of latency to a baseline, from one look: the limits are not known here.

    Args:
        model: The ONNX file under test.
        profile: The device.
        baseline: What it is held against.
        on_device: Whether this machine is said to be the device.
        progress: Where it tells how far it is.

    Raises:
        InputError: If the baseline is of another target or cannot be run beside the model.
    """
    held = read_baseline(baseline.file)
    if held.target != profile.name:
        raise InputError(
            Fault(
                file=baseline.file,
                field="target",
                given=held.target,
                problem=f"is the baseline of another target than {profile.name}",
                remedy="Give the baseline of this target",
            )
        )
    rivals = Rivals(
        target=profile.name,
        model=model,
        model_sha256=file_sha256(model),
        baseline=(
            Path(baseline.model) if baseline.model else baseline_model_file(baseline.file, held)
        ),
        baseline_sha256=held.model_sha256,
        on_device=on_device,
        profile=profile,
    )
    limits = dict.fromkeys(PERCENTILES, 1.0)
    found = rerun(rivals, limits, effort=Effort(looks=(_STARTS,)), progress=progress)
    if isinstance(found, NotRerun):
        remedy = "Or leave out the baseline"
        raise InputError(Fault(file=baseline.file, problem=found.reason, remedy=remedy))
    return found
