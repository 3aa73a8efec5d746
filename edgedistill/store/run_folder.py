"""A run folder that can be killed at any moment.

A step is made in a folder of its own beside its place and renamed into it when it is whole, so a
reader sees a finished step or none. One process at a time works in a run folder; the lock is the
kernel's, so a killed process leaves none behind.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from edgedistill.errors import DiskFullError, Fault, InputError
from edgedistill.store.keys import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

STEP_FILE = "step.json"
"""What a finished step says of itself."""
_UNFINISHED = ".unfinished-"
_CHECKPOINT = ".checkpoint-"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class StoredStep:
    """A finished step on disk."""

    name: str
    key: str
    folder: Path
    facts: Mapping[str, Any]


class RunFolder:
    """The folder of one run; a context manager that holds the folder's lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._steps = root / "steps"
        self._lock: int | None = None

    def __enter__(self) -> Self:
        with _disk_space(self.root):
            self._make_root()
            self._lock = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            self._lock = None
            raise InputError(
                Fault(
                    file=self.root,
                    problem="another run is working in this folder",
                    remedy="Wait until it has ended, or give another folder with --out",
                )
            ) from error
        for leftover in self._steps.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover)
        for checkpoint in self._steps.glob(f"{_CHECKPOINT}*"):
            _remove_empty(checkpoint)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def find(self, name: str, key: str) -> StoredStep | None:
        """The finished step of this name and key, or None.

        A step whose files no longer match their checksums is removed and counts as absent.
        """
        folder = self._place(name, key)
        if not folder.is_dir():
            return None
        manifest = _read_manifest(folder)
        if manifest is None or manifest["key"] != key or not _files_match(folder, manifest):
            shutil.rmtree(folder)
            return None
        return StoredStep(name=name, key=key, folder=folder, facts=manifest["facts"])

    def discard(self, name: str, key: str) -> None:
        """Removes a finished step, if it is there, so that it is made again."""
        folder = self._place(name, key)
        if folder.is_dir():
            shutil.rmtree(folder)

    def holds(self, name: str, key: str) -> bool:
        """Whether a step of this name and key was finished, without checking its files."""
        return (self._place(name, key) / STEP_FILE).is_file()

    def make(
        self,
        name: str,
        key: str,
        *,
        inputs: Mapping[str, str],
        work: Callable[[Path, Path], Mapping[str, Any]],
    ) -> StoredStep:
        """Makes a step: it appears whole under its place, or not at all.

        Args:
            name: The step's name, a part of the folder's.
            key: The step's content-addressed key.
            inputs: Role to key of what it was made from, for the manifest.
            work: Writes files into the first folder it is given and returns facts in JSON
                values; what it writes into the second outlives a kill and is there when the same
                step is made again, and goes when the step is whole.

        Raises:
            DiskFullError: If there is no room left.
        """
        unfinished = self._steps / f"{_UNFINISHED}{name}-{key[:16]}"
        checkpoint = self._steps / f"{_CHECKPOINT}{name}-{key[:16]}"
        try:
            with _disk_space(self.root):
                unfinished.mkdir(parents=True)
                checkpoint.mkdir(exist_ok=True)
                facts = dict(work(unfinished, checkpoint))
                _write_manifest(unfinished, name=name, key=key, inputs=inputs, facts=facts)
                _flush(unfinished)
                unfinished.rename(self._place(name, key))
                _flush_folder(self._steps)
            shutil.rmtree(checkpoint)
        finally:
            if unfinished.exists():
                shutil.rmtree(unfinished)
            if checkpoint.exists():
                _remove_empty(checkpoint)
        place = self._place(name, key)
        # As they will be read when the step is taken again, the order of their keys included.
        return StoredStep(name=name, key=key, folder=place, facts=facts_of(place))

    def tidy(self) -> None:
        """Removes what killed steps had half done and nobody asked for again."""
        for leftover in self._steps.glob(f"{_CHECKPOINT}*"):
            shutil.rmtree(leftover)

    def write(self, relative: str, content: bytes) -> Path:
        """Writes a file beside the steps: the old content stays until the new one is whole."""
        return write_file(self.root / relative, content)

    def remove(self, relative: str) -> None:
        """Removes a file or a folder beside the steps, if it is there."""
        target = self.root / relative
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def _place(self, name: str, key: str) -> Path:
        return self._steps / f"{name}-{key[:16]}"

    def _make_root(self) -> None:
        try:
            self._steps.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise InputError(
                Fault(
                    file=self.root,
                    problem="cannot be used as a run folder",
                    remedy="Give a folder that you may write to",
                    given=str(error.strerror),
                )
            ) from error


def write_file(path: Path, content: bytes) -> Path:
    """Writes a file whole or not at all; the old content stays until the new one is whole.

    Args:
        path: Where to; its folder is made if absent.
        content: The bytes.

    Raises:
        DiskFullError: If there is no room left.
        InputError: If the place cannot be written to.
    """
    beside = path.with_name(f".{path.name}.unfinished")
    try:
        with _disk_space(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with beside.open("wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
    except (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise InputError(
            Fault(
                file=path,
                given=str(error.strerror),
                problem="cannot be written",
                remedy="Give a place that you may write to",
            )
        ) from error
    return path


def facts_of(folder: Path) -> Mapping[str, Any]:
    """The facts of a finished step, by its folder."""
    manifest = _read_manifest(folder)
    if manifest is None:
        raise ValueError(f"{folder} is not the folder of a finished step")
    facts: Mapping[str, Any] = manifest["facts"]
    return facts


def files_of(folder: Path) -> Mapping[str, tuple[str, int]]:
    """The files of a finished step, by its folder: name to SHA-256 and size in bytes.

    They are what was written down when the step was made; `step.json` itself is not among them.
    """
    manifest = _read_manifest(folder)
    if manifest is None:
        raise ValueError(f"{folder} is not the folder of a finished step")
    return {
        name: (stored["sha256"], stored["size_bytes"])
        for name, stored in sorted(manifest["files"].items())
    }


@contextmanager
def _disk_space(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise DiskFullError(root) from error
        raise


def _write_manifest(
    folder: Path, *, name: str, key: str, inputs: Mapping[str, str], facts: Mapping[str, Any]
) -> None:
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": file_sha256(path),
            "size_bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {
        "schema_version": 1,
        "name": name,
        "key": key,
        "inputs": dict(inputs),
        "files": files,
        "facts": facts,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False)
    (folder / STEP_FILE).write_text(text + "\n", encoding="utf-8")


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / STEP_FILE
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None  # a damaged manifest: the step is made again
    known = isinstance(manifest, dict) and {"key", "files", "facts"} <= manifest.keys()
    return manifest if known else None


def _files_match(folder: Path, manifest: Mapping[str, Any]) -> bool:
    for name, stored in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != stored["size_bytes"]:
            return False
        if file_sha256(path) != stored["sha256"]:
            return False
    return True


def _remove_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
