"""The bytes of a file that anybody may have named: a real file, of a bounded size, or an error."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 2**31 - 1
"""A protobuf message, and so an ONNX model in one piece, cannot be larger."""
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_REMEDY = "Give the path of a .onnx file"


def read_bounded(path: Path) -> bytes:
    """The bytes of an ordinary file, no more of them than it had when it was opened.

    A pipe is never waited for and a device never read.

    Raises:
        InputError: If it is no ordinary file, cannot be read, or is larger than `MAX_BYTES`.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        with open(descriptor, "rb") as opened:  # noqa: PTH123  # a descriptor, not a path
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise InputError(Fault(file=path, problem="is not a file", remedy=_REMEDY))
            require_size(found.st_size, path)
            return opened.read(found.st_size)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(Fault(file=path, problem="is not a file", remedy=_REMEDY)) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        detail = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            Fault(file=path, problem="cannot be read", given=detail, remedy=_REMEDY)
        ) from error


def require_size(size_bytes: int, path: Path) -> None:
    """Refuses what is too large.

    Raises:
        InputError: If it is larger than `MAX_BYTES`.
    """
    if size_bytes > MAX_BYTES:
        raise InputError(
            Fault(
                file=path,
                given=f"{size_bytes} bytes",
                problem="is larger with its weights than an ONNX file can be (2 GB)",
                remedy="Choose a smaller network",
            )
        )
