"""What a stage is: artifacts in, new artifacts and facts out, and its promise proved."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Advance(Protocol):
    """Moves a progress bar on."""

    def __call__(self, amount: int = 1, *, note: str = "") -> None:
        """Moves on by `amount` and shows `note` (for instance a loss) beside the bar."""


class Progress(Protocol):
    """Where a run tells how far it is."""

    def track(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """Opens a bar over `total` units of work."""

    def say(self, line: str) -> None:
        """Says one line."""


class SilentProgress:
    """A progress that tells nobody."""

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Advance]:
        """Opens no bar."""
        del title, total

        def advance(amount: int = 1, *, note: str = "") -> None:
            del amount, note

        yield advance

    def say(self, line: str) -> None:
        """Says nothing."""


@dataclass(frozen=True)
class StageContext:
    """What a stage is given beside its own inputs."""

    folder: Path
    """Empty folder for everything the stage writes; it becomes the step's folder as a whole."""
    seed: int = 0
    threads: int = 1
    progress: Progress = field(default_factory=SilentProgress)


@dataclass(frozen=True)
class StageResult:
    """What a stage did: facts for the report, as plain JSON values."""

    facts: Mapping[str, Any]


class Stage(Protocol):
    """One step of the road. Implementations are frozen dataclasses that hold their inputs."""

    def run(self, context: StageContext) -> StageResult:
        """Does the work and proves the promise on the files it wrote.

        Raises:
            PromiseError: If what came out is not what was promised.
            InputError: If something the user gave makes the work impossible.
        """
