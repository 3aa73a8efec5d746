"""What models are held against: baselines as files, in a folder, or as the runs they are of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.app.outcome import STATE_FILE
from edgedistill.core.figures_file import read_figures, read_reference
from edgedistill.core.json_file import REPORT, read_values
from edgedistill.errors import Fault, InputError
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.figures import Reference


@dataclass(frozen=True)
class HeldBaseline:
    """A baseline, where it was read, and where its model lies."""

    file: Path
    reference: Reference
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
        target = one.reference.target
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
    by_hash = {one.reference.model_sha256: target for target, one in held.items()}
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
        from edgedistill.app.baseline import report_files  # strict documents: only for a run

        return [_of_report(file) for file in report_files(path)]
    document = read_values(path, REPORT)
    kind = document.get("kind") if isinstance(document, dict) else None
    return [_of_report(path) if kind == REPORT.kind else _of_file(path)]


def _of_file(file: Path) -> HeldBaseline:
    reference = read_reference(file)
    model = None if reference.model is None else file.parent / reference.model
    return HeldBaseline(file, reference, model)


def _of_report(file: Path) -> HeldBaseline:
    figures = read_figures(file)
    model = file.parent / figures.model
    return HeldBaseline(file, figures.as_reference(), model if model.is_file() else None)
