"""A device that does as a script says: for tests of everything that speaks to a device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from edgedistill.devices.transport import check_name
from edgedistill.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


@dataclass(frozen=True)
class Reply:
    """What a program on the fake device does.

    Attributes:
        lines: What it writes to standard output.
        files: What it leaves in the working folder.
        exit_code: How it ends.
        stderr: What it writes to standard error.
    """

    lines: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    exit_code: int = 0
    stderr: str = ""


class FakeTransport:
    """A transport to a device in memory.

    Args:
        answer: Is given the arguments of a program and the files on the device by name; says what
            the program does.
    """

    def __init__(self, answer: Callable[[Sequence[str], Mapping[str, bytes]], Reply]) -> None:
        self._answer = answer
        self._open = False
        self.files: dict[str, bytes] = {}
        self.runs: list[tuple[str, ...]] = []

    @property
    def name(self) -> str:
        """Always fake."""
        return "fake"

    @property
    def python(self) -> tuple[str, ...]:
        """The words that start Python on the device."""
        return ("python",)

    def __enter__(self) -> Self:
        self._open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        self.files.clear()

    def put(self, local: Path, name: str) -> None:
        """Keeps the file's bytes."""
        self._check_open()
        self.files[check_name(name)] = local.read_bytes()

    def get(self, name: str, local: Path) -> None:
        """Gives the bytes kept under that name."""
        self._check_open()
        if name not in self.files:
            raise DeviceError(f"fake: there is no file {name} on the device")
        local.write_bytes(self.files[name])

    def run(
        self, arguments: Sequence[str], *, on_line: Callable[[str], None], timeout_s: float
    ) -> None:
        """Does what the script says."""
        del timeout_s
        self._check_open()
        self.runs.append(tuple(arguments))
        reply = self._answer(arguments, dict(self.files))
        for line in reply.lines:
            on_line(line)
        self.files.update(reply.files)
        if reply.exit_code:
            raise DeviceError(f"fake: exit code {reply.exit_code}: {reply.stderr}")

    def _check_open(self) -> None:
        if not self._open:
            raise DeviceError("fake: the device is used outside of its `with` block")
