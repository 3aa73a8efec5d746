"""What stands behind a report: the recipe, what each step wrote, and what was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.app.outcome import LOCK_FILE
from edgedistill.core.manifest import DataHash, Manifest, RunFile
from edgedistill.store import STEP_FILE, file_sha256, files_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.app.pipeline import Finished
    from edgedistill.app.plan import PlannedStep
    from edgedistill.core.manifest import GivenFile, ManifestFile
    from edgedistill.core.report import Report
    from edgedistill.store import RunFolder


def manifest_of(
    report: Report,
    *,
    files: Sequence[ManifestFile],
    run_files: Sequence[RunFile],
    given: Sequence[GivenFile],
) -> Manifest:
    """The manifest of one target.

    Args:
        report: Of the target.
        files: What lies beside the report, and the report.
        run_files: What lies in the run folder.
        given: What the recipe names.
    """
    made = report.provenance
    data = DataHash(source=made.data_source, sha256=made.data_sha256, licence=made.data_licence)
    return Manifest(
        schema_version=1,
        run=report.run,
        target=report.target,
        files=tuple(files),
        run_files=tuple(run_files),
        given=tuple(given),
        data=data,
        seed=made.seed,
        versions=made.versions,
    )


def recipe_file(run: RunFolder) -> RunFile:
    """The recipe with every default filled in."""
    return _hashed(run, run.root / LOCK_FILE, "recipe")


def step_files(run: RunFolder, steps: Sequence[PlannedStep], finished: Finished) -> list[RunFile]:
    """What some steps wrote, in their order.

    The hashes are those that were written down when a step was made, and that its files were held
    against when this run took it.
    """
    found = []
    for step in steps:
        folder = finished.folder(step)
        found.append(_hashed(run, folder / STEP_FILE, step.name))
        found += [
            RunFile(
                path=(folder / name).relative_to(run.root).as_posix(),
                sha256=sha256,
                size_bytes=size_bytes,
                role=step.name,
            )
            for name, (sha256, size_bytes) in files_of(folder).items()
        ]
    return found


def _hashed(run: RunFolder, file: Path, role: str) -> RunFile:
    return RunFile(
        path=file.relative_to(run.root).as_posix(),
        sha256=file_sha256(file),
        size_bytes=file.stat().st_size,
        role=role,
    )
