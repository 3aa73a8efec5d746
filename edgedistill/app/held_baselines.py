"""What models are held against: baselines as files, in a folder, or as the runs they are of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.app.baseline import baseline_model_file, baseline_of, report_files
from edgedistill.app.outcome import STATE_FILE
from edgedistill.core.json_file import REPORT
from edgedistill.errors import Fault, InputError
from edgedistill.render.document import read_baseline, read_kind, read_report
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.baseline import Baseline


@dataclass(frozen=True)
class HeldBaseline:
    """A baseline, where it was read, and where its model lies."""

    file: Path
    baseline: Baseline
    model: Path | None
    """The ONNX file; None where it is not kept."""


def read_baselines(
    paths: Sequence[str | Path], models: Sequence[str | Path] = ()
) -> dict[str, HeldBaseline]:
    """Target to what its models are held against.

    Args:
        paths: Baseline files, folders of them, reports or run folders.
        models: ONNX files of baselines that do not lie beside them; the hash tells whose each is.

    Raises:
        InputError: If something cannot be read, a target has two baselines, or a model is that of
            no baseline.
    """
    held: dict[str, HeldBaseline] = {}
    faults = []
    for one in (one for path in paths for one in _read(Path(path))):
        target = one.baseline.target
        if target in held:
            faults.append(
                Fault(
                    file=one.file,
                    field="target",
                    given=target,
                    problem=f"is the target of {held[target].file} too",
                    remedy="Give one baseline for each target",
                )
            )
        held[target] = one
    by_hash = {one.baseline.model_sha256: target for target, one in held.items()}
    for model in map(Path, models):
        target = by_hash.get(file_sha256(model), "") if model.is_file() else ""
        if target:
            held[target] = replace(held[target], model=model)
        else:
            faults.append(
                Fault(
                    file=model,
                    problem="is not the ONNX file of a baseline that is given",
                    remedy="Give the file whose sha256 the baseline names",
                )
            )
    if faults:
        raise InputError(*faults)
    return held


def _read(path: Path) -> list[HeldBaseline]:
    if path.is_dir() and not (path / STATE_FILE).is_file():
        files = sorted(path.glob("*.json"))
        if not files:
            fault = Fault(
                file=path,
                problem="holds neither baselines nor a run",
                remedy="Give what edgedistill baseline wrote, or the folder of a run",
            )
            raise InputError(fault)
        return [_of_file(file) for file in files]
    if path.is_dir():
        return [_of_report(file) for file in report_files(path)]
    return [_of_report(path) if read_kind(path) == REPORT.kind else _of_file(path)]


def _of_file(file: Path) -> HeldBaseline:
    baseline = read_baseline(file)
    return HeldBaseline(file, baseline, baseline_model_file(file, baseline))


def _of_report(file: Path) -> HeldBaseline:
    report = read_report(file)
    model = file.parent / report.choice.model
    return HeldBaseline(file, baseline_of(report, None), model if model.is_file() else None)
