"""What a gate is given beside reports: baselines, and what was measured where the devices are.

Quick to start: strict documents, and what measures, are loaded only where something is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.device_report import DeviceReport
    from edgedistill.core.stage import Progress
    from edgedistill.gate.case import Case

LOOKS = (16, 32, 64)
"""After how many starts of a process it looks whether a limit on a ratio is settled."""


@dataclass(frozen=True, kw_only=True)
class GateInputs:
    """What is given.

    Attributes:
        baselines: Baseline files, folders of them, reports or run folders.
        baseline_models: ONNX files of baselines that do not lie beside them.
        device_reports: What devices say of models under test.
        on_device: Whether this machine is said to be the device of targets other than `host`.
        folders: Folders of the user's own profiles.
        looks: After how many starts it looks whether a limit on latency against a baseline is
            settled, rising; the last is the bound.
    """

    baselines: tuple[str | Path, ...] = ()
    baseline_models: tuple[str | Path, ...] = ()
    device_reports: tuple[str | Path, ...] = ()
    on_device: bool = False
    folders: tuple[str | Path, ...] = ()
    looks: tuple[int, ...] = LOOKS


def with_inputs(
    cases: Sequence[Case],
    inputs: GateInputs,
    *,
    confidence: float,
    progress: Progress | None = None,
) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """The targets of a gate with all that is given, and what of it could not be used.

    A limit on latency against a baseline makes both models run, here or, by a device report, where
    the device is.

    Args:
        cases: The targets as their reports tell them.
        inputs: What is given beside them.
        confidence: That all checks of the gate hold at once.
        progress: Where it tells how far it is; None for nobody.

    Returns:
        The targets, and doubts: each leaves something UNJUDGED.

    Raises:
        InputError: If something given cannot be read or contradicts itself.
    """
    found: tuple[DeviceReport | None, ...] = (None,) * len(cases)
    doubts: tuple[str, ...] = ()
    if inputs.device_reports:
        from edgedistill.app.device_reports import Subject, match, read_device_reports

        subjects = [Subject(one.figures.target, one.figures.model_sha256) for one in cases]
        matched = match(subjects, read_device_reports(inputs.device_reports))
        found, doubts = matched.found, matched.doubts
        cases = [
            case if one is None else replace(case, figures=case.figures.measured_on_device(one))
            for case, one in zip(cases, found, strict=True)
        ]
    if inputs.baselines or inputs.baseline_models:
        cases = _against_baselines(cases, found, inputs, confidence=confidence, progress=progress)
    return tuple(cases), doubts


def _against_baselines(
    cases: Sequence[Case],
    found: Sequence[DeviceReport | None],
    inputs: GateInputs,
    *,
    confidence: float,
    progress: Progress | None,
) -> tuple[Case, ...]:
    from edgedistill.app.held_baselines import read_baselines
    from edgedistill.app.remeasure import Manner, Remeasurable, with_ratios

    held = read_baselines(inputs.baselines, inputs.baseline_models)
    # A single baseline of another target is handed on, so that the gate can say that it is.
    single = next(iter(held.values())) if len(held) == 1 else None
    targets = []
    for case, device_report in zip(cases, found, strict=True):
        own = held.get(case.figures.target, single)
        reference = None if own is None else own.reference
        targets.append(
            Remeasurable(
                case=replace(case, baseline=reference),
                baseline=reference,
                baseline_model=None if own is None else own.model,
                device_report=device_report,
            )
        )
    manner = Manner(
        looks=inputs.looks,
        on_device=inputs.on_device,
        folders=tuple(map(Path, inputs.folders)),
        progress=progress,
    )
    return with_ratios(targets, manner, confidence=confidence)
