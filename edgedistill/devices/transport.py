"""The one door to a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from edgedistill.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType


class Transport(Protocol):
    """Moves files to and from a device and runs programs there.

    A context manager: a private working folder is made on the device on entry and removed on
    exit. Names of files are plain names inside that folder.
    """

    @property
    def name(self) -> str:
        """How a person knows this transport, for instance local."""

    @property
    def python(self) -> tuple[str, ...]:
        """The words that start Python on the device."""

    def __enter__(self) -> Self:
        """Makes the working folder.

        Raises:
            DeviceError: If the device cannot be reached.
        """

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Removes the working folder; nothing started by `run` is left behind."""

    def put(self, local: Path, name: str) -> None:
        """Copies a local file into the working folder.

        Raises:
            DeviceError: If it could not be copied.
        """

    def get(self, name: str, local: Path) -> None:
        """Copies a file of the working folder to a local path.

        Raises:
            DeviceError: If there is no such file or it could not be copied.
        """

    def run(
        self, arguments: Sequence[str], *, on_line: Callable[[str], None], timeout_s: float
    ) -> None:
        """Runs a program in the working folder until it ends.

        The program's standard input stays open as long as the host lives and closes when the host
        dies, so that a program which reads it never outlives its host.

        Args:
            arguments: The program and its arguments.
            on_line: Is given each line of the program's standard output as it comes.
            timeout_s: The longest the program may say nothing before it is killed. How long a
                measurement takes on an unknown device nobody knows; that it is alive, it tells.

        Raises:
            DeviceError: If the program could not be started, was silent for too long, or ended
                with another exit code than 0; with the end of what it wrote to standard error.
        """


def check_name(name: str) -> str:
    """The name, if it is a plain one inside the working folder.

    >>> check_name("model.onnx")
    'model.onnx'

    Raises:
        DeviceError: If it would reach outside of the folder.
    """
    if not name or name in {".", ".."} or "/" in name or "\\" in name or "\0" in name:
        raise DeviceError(f"{name!r} is no plain file name: files live in the working folder only")
    return name
