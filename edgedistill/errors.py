"""Everything that edgedistill raises on purpose.

```
EdgedistillError            exit code 70 unless a subclass says otherwise
├── InputError              2   something the user gave is wrong; carries every fault found
│   ├── MissingExtraError   2   an optional dependency is needed and absent
│   └── DiskFullError       2   there is no room for what the run has to write
├── PromiseError            70  a stage did not do what it promised
└── DeviceError             70  a device could not be reached or its worker died
```

An error says what is wrong, where (file and field), what was given, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


_LONGEST = 500
"""Characters of a given value that are told."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing wrong with something the user gave.

    Attributes:
        problem: What is wrong, as the beginning of a sentence.
        remedy: What to do about it.
        file: The file (or argument) it stands in.
        field: The dotted path of the key inside that file.
        given: The value that was given, as text.
    """

    problem: str
    remedy: str
    file: str | Path | None = None
    field: str | None = None
    given: str | None = None

    def __str__(self) -> str:
        where = ": ".join(str(part) for part in (self.file, self.field) if part)
        given = "" if self.given is None else f" (given: {_shortened(self.given)})"
        lead = f"{where}: " if where else ""
        return _on_one_line(f"{lead}{self.problem}{given}. {self.remedy}")


def _shortened(text: str) -> str:
    """Text as long as a person reads, where a file could hold a million characters."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _on_one_line(text: str) -> str:
    r"""Text without the characters that could steer a terminal: what was given may be anybody's.

    >>> _on_one_line("a\x1b[2Jb\nc")
    'a�[2Jb�c'
    """
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


class EdgedistillError(Exception):
    """The root of all errors that edgedistill raises on purpose."""

    exit_code = 70


class InputError(EdgedistillError):
    """Something the user gave is wrong. Holds all faults found, not only the first."""

    exit_code = 2

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


class MissingExtraError(InputError):
    """An optional dependency is needed and not installed."""

    def __init__(self, *, extra: str, package: str, needed_for: str) -> None:
        self.extra = extra
        super().__init__(
            Fault(
                problem=f"{needed_for} needs the package {package}, which is not installed",
                remedy=f"Install it with: pip install 'edgedistill[{extra}]'",
            )
        )


class DiskFullError(InputError):
    """There is no room left for what the run has to write."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(
            Fault(
                problem="the disk is full; nothing half-written was left behind",
                remedy="Free some space or choose another folder, then run the same command again: "
                "finished steps are kept",
                file=path,
            )
        )


class PromiseError(EdgedistillError):
    """A stage did not do what it promised; its result was thrown away."""

    def __init__(self, *, stage: str, promised: str, found: str, remedy: str) -> None:
        self.stage = stage
        super().__init__(f"{stage}: promised {promised}, found {found}. {remedy}")


class DeviceError(EdgedistillError):
    """A device could not be reached, or the worker on it died."""
