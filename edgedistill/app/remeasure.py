"""What limits against a baseline's latency are judged by: ratios measured side by side.

They come with a device report that was made where both could be run, or are measured here and now.
Quick to start: what measures is loaded only where something is to be measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.core.figure import Figure
from edgedistill.core.limits import EVERY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.device_report import DeviceReport
    from edgedistill.core.figures import Reference
    from edgedistill.core.relative_latency import NotRerun, RelativeLatency
    from edgedistill.core.stage import Progress
    from edgedistill.gate.case import Case


@dataclass(frozen=True, kw_only=True)
class Remeasurable:
    """A target of a gate, and what its latency may be held against.

    Attributes:
        case: The target; its report's file says where the model under test lies.
        baseline: What it is held against; None where there is none.
        baseline_model: The baseline's ONNX file; None where there is none.
        device_report: What a device says of the model under test; None where none does.
    """

    case: Case
    baseline: Reference | None
    baseline_model: Path | None = None
    device_report: DeviceReport | None = None


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a baseline is run again.

    Attributes:
        looks: After how many starts it looks whether a limit is settled, rising; the last is the
            bound.
        on_device: Whether this machine is said to be the device of targets other than `host`.
        folders: The user's own folders of profiles.
        progress: Where it tells how far it is; None for nobody.
    """

    looks: tuple[int, ...]
    on_device: bool = False
    folders: tuple[Path, ...] = ()
    progress: Progress | None = None


def with_ratios(
    targets: Sequence[Remeasurable], manner: Manner, *, confidence: float
) -> tuple[Case, ...]:
    """The cases with ratios of latency, or with the reason why there are none.

    Args:
        targets: All targets of one gate.
        manner: How a baseline is run again.
        confidence: That all checks of the gate hold at once; each ratio is measured until it is
            settled at its share, that of one in as many checks as there are limits.
    """
    count = sum(len(one.case.bounds.limits) for one in targets)
    each = 1 - (1 - confidence) / max(count, 1)
    cases = []
    for one in targets:
        limits = _limits(one.case)
        if limits and one.baseline is not None and one.baseline.target == one.case.figures.target:
            found = _told(one, one.baseline) or _run(one, one.baseline, limits, each, manner)
            cases.append(_with(one.case, found))
        else:
            cases.append(one.case)
    return tuple(cases)


def _limits(case: Case) -> dict[str, float]:
    """Limit on a percentile of latency to the largest ratio to the baseline's."""
    return {
        EVERY[name].of: bound
        for name, bound in case.bounds.limits.items()
        if EVERY[name].kind == "latency" and EVERY[name].form == "ratio"
    }


def _told(one: Remeasurable, baseline: Reference) -> RelativeLatency | None:
    """The ratios of the device report, if they are to this very baseline."""
    relative = None if one.device_report is None else one.device_report.relative
    if relative is None or relative.baseline_sha256 != baseline.model_sha256:
        return None
    return relative


def _run(
    one: Remeasurable,
    baseline: Reference,
    limits: dict[str, float],
    confidence: float,
    manner: Manner,
) -> RelativeLatency | NotRerun:
    from edgedistill.core.relative_latency import NotRerun, of_the_same_file

    figures = one.case.figures
    if figures.model_sha256 == baseline.model_sha256:
        return of_the_same_file(baseline.model_sha256, limits)
    try:
        from edgedistill.app.rerun import Effort, Rivals, rerun
    except ModuleNotFoundError as error:
        return NotRerun(
            f"running the baseline's model again needs the package {error.name}, which is not "
            "installed. Install it: pip install numpy onnx onnxruntime"
        )
    threads = (figures.conditions or {}).get("threads")
    if one.case.file is None:
        return NotRerun("the model under test has no file. Judge the report where it lies")
    rivals = Rivals(
        target=figures.target,
        threads=threads if isinstance(threads, int) else None,
        model=Path(one.case.file).parent / figures.model,
        model_sha256=figures.model_sha256,
        baseline=one.baseline_model,
        baseline_sha256=baseline.model_sha256,
        on_device=manner.on_device,
        folders=manner.folders,
    )
    effort = Effort(looks=manner.looks)
    return rerun(rivals, limits, confidence=confidence, effort=effort, progress=manner.progress)


def _with(case: Case, found: RelativeLatency | NotRerun) -> Case:
    from edgedistill.core.relative_latency import NotRerun

    if isinstance(found, NotRerun):
        return replace(case, not_remeasured=found.reason)
    ratios = {name: Figure.of(ratio) for name, ratio in found.ratios.items()}
    return replace(case, remeasured=ratios)
