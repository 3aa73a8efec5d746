"""This machine as a device."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from edgedistill.devices.transport import check_name
from edgedistill.errors import DeviceError, DiskFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

_PREFIX = "edgedistill-device-"
_LOCK = ".lock"
_STALE_AFTER_S = 60.0
_POLL_S = 0.2
_TAIL_LINES = 20


class LocalTransport:
    """Runs programs on this machine, in a private folder below the system's temporary one.

    Folders left by a process that was killed outright are swept on the next entry: each folder
    holds a locked file for as long as its process lives.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._lock: IO[bytes] | None = None

    @property
    def name(self) -> str:
        """Always local."""
        return "local"

    @property
    def python(self) -> tuple[str, ...]:
        """This very interpreter, so that it finds the same packages."""
        return (sys.executable,)

    def __enter__(self) -> Self:
        if self._folder is not None:
            raise DeviceError("local: one transport holds one working folder; make a second one")
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._lock = (self._folder / _LOCK).open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            _sweep(self._folder)
        except OSError as error:
            raise DeviceError(f"local: no working folder could be made: {error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        folder, lock = self._folder, self._lock
        self._folder = self._lock = None
        if lock is not None:
            lock.close()
        if folder is not None:
            try:
                shutil.rmtree(folder)
            except OSError as failure:
                raise DeviceError(f"local: {folder} could not be removed: {failure}") from failure

    def put(self, local: Path, name: str) -> None:
        """Copies a file into the private folder."""
        self._copy(local, self._opened() / check_name(name))

    def get(self, name: str, local: Path) -> None:
        """Copies a file out of the private folder."""
        source = self._opened() / check_name(name)
        if not source.is_file():
            raise DeviceError(f"local: the program left no file {name} behind")
        self._copy(source, local)

    def run(
        self, arguments: Sequence[str], *, on_line: Callable[[str], None], timeout_s: float
    ) -> None:
        """Runs a program as the head of a process group that is killed as a whole at the end."""
        try:
            process = subprocess.Popen(
                arguments,
                cwd=self._opened(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(f"local: {arguments[0]} could not be started: {error}") from error
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        try:
            for line, is_error in _lines(process, timeout_s):
                if is_error:
                    tail.append(line)
                else:
                    on_line(line)
        finally:
            _end(process)
        if process.returncode:
            raise DeviceError(_ending(arguments, process.returncode, tail))

    def _opened(self) -> Path:
        if self._folder is None:
            raise DeviceError("local: the device is used outside of its `with` block")
        return self._folder

    def _copy(self, source: Path, target: Path) -> None:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(target) from error
            raise DeviceError(f"local: {source} could not be copied: {error}") from error


class _LineReader:
    """Cuts what comes through a pipe into lines."""

    def __init__(self, pipe: IO[bytes], *, is_error: bool) -> None:
        self.pipe = pipe
        self.is_error = is_error
        self._rest = b""

    def read(self) -> list[str] | None:
        """The lines that are whole now; None where the pipe is closed and all was given."""
        block = os.read(self.pipe.fileno(), 1 << 16)
        *whole, self._rest = (self._rest + block).split(b"\n")
        if not block:
            if not self._rest:
                return None
            whole, self._rest = [self._rest], b""
        return [line.decode("utf-8", errors="replace") for line in whole]


def _lines(process: subprocess.Popen[bytes], timeout_s: float) -> Iterator[tuple[str, bool]]:
    """Each line of the process, with whether it went to standard error, until it ends.

    Raises:
        DeviceError: After `timeout_s` seconds without a line.
    """
    with selectors.DefaultSelector() as selector:
        for pipe, is_error in ((process.stdout, False), (process.stderr, True)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, _LineReader(pipe, is_error=is_error))
        heard = time.perf_counter()
        while True:
            # Asked before the pipes are read: what is read after the end is all there will be,
            # though a child of the program may hold the pipes open.
            ended = process.poll() is not None
            ready = selector.select(0.0 if ended else _POLL_S)
            for key, _ in ready:
                lines = key.data.read()
                if lines is None:
                    selector.unregister(key.fileobj)
                else:
                    heard = time.perf_counter()
                    yield from ((line, key.data.is_error) for line in lines)
            if ended and not ready:
                return
            if time.perf_counter() - heard > timeout_s:
                raise DeviceError(
                    f"local: {process.args!r} said nothing for {timeout_s:g} s and was killed. "
                    "Give it more time, or look at what the device is busy with"
                )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the whole process group and closes the pipes."""
    with contextlib.suppress(ProcessLookupError):  # everything in it may have ended by itself
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _ending(arguments: Sequence[str], code: int, tail: Sequence[str]) -> str:
    if code < 0:
        how = f"was killed by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            how += " (out of memory?)"
    else:
        how = f"ended with exit code {code}"
    said = "\n".join(tail).strip() or "nothing"
    return f"local: {' '.join(arguments)} {how}; its last words on standard error:\n{said}"


def _sweep(own: Path) -> None:
    """Removes the folders beside our own whose process was killed before it could."""
    now_s = own.stat().st_mtime
    for lock in own.parent.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            with lock.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if now_s - lock.stat().st_mtime > _STALE_AFTER_S:
                    shutil.rmtree(lock.parent)
        except OSError:
            continue  # in use, or another user's, or swept by somebody else just now
