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


class Company(Protocol):
    """The processes that run one stage together, each on its share of the work."""

    @property
    def rank(self) -> int:
        """Which of them this process is, from 0; the first one writes what all made."""

    @property
    def size(self) -> int:
        """How many they are."""

    def wait(self) -> None:
        """Goes on when all have come here."""


class Alone:
    """One process, which is the usual case."""

    rank = 0
    size = 1

    def wait(self) -> None:
        """Waits for nobody."""


@dataclass(frozen=True)
class StageContext:
    """What a stage is given beside its own inputs."""

    folder: Path
    """Empty folder for everything the stage writes; it becomes the step's folder as a whole."""
    seed: int = 0
    threads: int = 1
    progress: Progress = field(default_factory=SilentProgress)
    checkpoint: Path | None = None
    """Folder for work half done: a killed step finds there what it had written, and the folder goes
    when the step is whole. None: the step begins anew each time. Whoever reads there checks what
    it reads, and what comes out must be the same with it and without."""
    company: Company = field(default_factory=Alone)


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
