"""A run folder that can be killed at any moment.

A step is made in a folder of its own beside its place and renamed into it when it is whole, so a
reader sees a finished step or none. One process at a time works in a run folder; the lock is the
kernel's, so a killed process leaves none behind.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from edgedistill.errors import DiskFullError, Fault, InputError
from edgedistill.store.step_file import (
    STEP_FILE,
    facts_of,
    files_match,
    read_step_file,
    write_step_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

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
        manifest = read_step_file(folder)
        if manifest is None or manifest["key"] != key or not files_match(folder, manifest):
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
                write_step_file(unfinished, name=name, key=key, inputs=inputs, facts=facts)
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


@contextmanager
def _disk_space(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise DiskFullError(root) from error
        raise


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
