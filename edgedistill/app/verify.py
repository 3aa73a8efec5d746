"""Holds the files of a run, or of one target, against the hashes in its manifest."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.app.outcome import COMPLETE, STATE_FILE, TARGETS_FOLDER, read_state
from edgedistill.core.manifest import MANIFEST_FILE
from edgedistill.errors import Fault, InputError
from edgedistill.render.document import read_manifest
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.manifest import Manifest, ManifestFile, RunFile

_SHOWN = 12
"""Digits of a hash that tell it from another."""


class Finding(StrEnum):
    """What came out for one file."""

    HOLDS = "OK"
    DIFFERS = "DIFFERS"
    MISSING = "MISSING"
    NOT_CHECKED = "NOT CHECKED"
    """Stands outside of the folder that was given."""


@dataclass(frozen=True)
class CheckedFile:
    """One file, or several that could not be checked, and what came out."""

    finding: Finding
    path: str
    """As a person finds it, from the folder that was given."""
    reason: str

    def __str__(self) -> str:
        text = f"{self.finding.value:11} {self.path}: {self.reason}"
        return "".join(one if one.isprintable() else "\ufffd" for one in text)


@dataclass(frozen=True)
class Verification:
    """Every file that a manifest lists, held against its hash."""

    checks: tuple[CheckedFile, ...]

    @property
    def holds(self) -> bool:
        """Whether something was checked and no file differs or is missing."""
        found = {check.finding for check in self.checks}
        return Finding.HOLDS in found and found <= {Finding.HOLDS, Finding.NOT_CHECKED}

    @property
    def exit_code(self) -> int:
        """0 where all hashes hold, 1 where something differs or is missing."""
        return 0 if self.holds else 1

    def __str__(self) -> str:
        counts = [
            f"{sum(check.finding is finding for check in self.checks)} {word}"
            for finding, word in (
                (Finding.HOLDS, "hold"),
                (Finding.DIFFERS, "differ"),
                (Finding.MISSING, "missing"),
            )
        ]
        end = "All hashes hold" if self.holds else "This is not what the run wrote"
        return "\n".join([*map(str, self.checks), f"{end}: {', '.join(counts)}."])


def verify(path: str | Path) -> Verification:
    """Holds the files of a run folder, or of one target's folder, against the manifest's hashes.

    A target's folder may stand alone: what its manifest lists of the run folder is then told as not
    checked. Files that no manifest lists are not looked at.

    Args:
        path: A run folder, or a folder below its `targets`.

    Raises:
        InputError: If there is nothing to verify, or a manifest cannot be read or names a path
            outside of its folder.
    """
    folder = Path(path)
    if (folder / MANIFEST_FILE).is_file():
        manifest = read_manifest(folder / MANIFEST_FILE)
        return Verification((*_target(manifest, folder, ""), *_not_checked(manifest)))
    if (folder / STATE_FILE).is_file():
        return Verification(tuple(_run(folder)))
    raise InputError(
        Fault(
            file=folder,
            problem=f"holds neither {MANIFEST_FILE} nor {STATE_FILE}",
            remedy="Give the folder that compress wrote with --out, or a folder below its targets",
        )
    )


def _run(folder: Path) -> Iterator[CheckedFile]:
    state = read_state(folder / STATE_FILE)
    if state.get("state") != COMPLETE:
        yield CheckedFile(
            Finding.MISSING,
            STATE_FILE,
            "the run is not complete. Run the same command, or the same Python call, again",
        )
        return
    done: set[RunFile] = set()
    for target in state["targets"]:
        below = f"{TARGETS_FOLDER}/{target}"
        manifest_file = folder / below / MANIFEST_FILE
        if _outside(manifest_file, folder / TARGETS_FOLDER):
            raise InputError(
                Fault(
                    file=folder / STATE_FILE,
                    field="targets",
                    given=repr(target),
                    problem="is not the name of a target's folder in this run",
                    remedy="Run compress again",
                )
            )
        if not manifest_file.is_file():
            yield CheckedFile(Finding.MISSING, f"{below}/{MANIFEST_FILE}", "there is no such file")
            continue
        manifest = read_manifest(manifest_file)
        yield from _target(manifest, folder / below, f"{below}/")
        for file in manifest.run_files:
            if file not in done:
                done.add(file)
                yield _check(file, folder, "")
        yield from _given(manifest)


def _target(manifest: Manifest, folder: Path, lead: str) -> Iterator[CheckedFile]:
    for file in manifest.files:
        yield _check(file, folder, lead)


def _not_checked(manifest: Manifest) -> Iterator[CheckedFile]:
    yield CheckedFile(
        Finding.NOT_CHECKED,
        "the recipe and the steps",
        f"{len(manifest.run_files)} files stand in the run folder. Give that folder to check them",
    )
    yield from _given(manifest)


def _given(manifest: Manifest) -> Iterator[CheckedFile]:
    for file in manifest.given:
        reason = f"was given for {file.role}, stands outside of the run; sha256 {file.sha256}"
        yield CheckedFile(Finding.NOT_CHECKED, file.name, reason)


def _check(listed: ManifestFile | RunFile, folder: Path, lead: str) -> CheckedFile:
    file, path = folder / listed.path, f"{lead}{listed.path}"
    if _outside(file, folder):
        return CheckedFile(Finding.DIFFERS, path, "is a link out of the folder; it was not read")
    try:
        state = file.stat()
        if not stat.S_ISREG(state.st_mode):
            return CheckedFile(Finding.DIFFERS, path, "is not a file")
        found = file_sha256(file)
    except (FileNotFoundError, NotADirectoryError):
        return CheckedFile(Finding.MISSING, path, "there is no such file")
    except OSError as error:
        raise InputError(
            Fault(
                file=file,
                given=str(error.strerror),
                problem="cannot be read",
                remedy="Give a folder that you may read",
            )
        ) from error
    if (found, state.st_size) == (listed.sha256, listed.size_bytes):
        return CheckedFile(Finding.HOLDS, path, f"{listed.role}, sha256 {found[:_SHOWN]}")
    return CheckedFile(
        Finding.DIFFERS,
        path,
        f"{listed.role}, {state.st_size} bytes with sha256 {found[:_SHOWN]}, listed are "
        f"{listed.size_bytes} bytes with sha256 {listed.sha256[:_SHOWN]}",
    )


def _outside(file: Path, folder: Path) -> bool:
    """Whether the file stands, by .. or through links, outside of the folder."""
    return not file.resolve().is_relative_to(folder.resolve())
