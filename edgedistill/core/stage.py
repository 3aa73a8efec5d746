"""What a stage is: artifacts in, new artifacts and facts out, and its promise proved."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
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
    """The processes that run one stage together, each on its share of the work.

    Tensors are torch's; this floor does not know them.
    """

    @property
    def rank(self) -> int:
        """Which of them this process is, from 0; the first one writes what all made."""

    @property
    def size(self) -> int:
        """How many they are."""

    @property
    def device(self) -> str:
        """Where this process computes, as torch names it: cpu, cuda:0."""

    def wait(self) -> None:
        """Goes on when all have come here."""

    def gather(self, tensor: Any) -> Any:
        """The tensors `[n, ...]` of all, one after the other in the order of the ranks.

        No gradient flows into what comes from the others.
        """

    def sum(self, tensor: Any) -> Any:
        """The sum of the tensors of all."""

    def share(self, value: Any) -> Any:
        """The value of the first of them, plain data, given to all."""

    def autocast(self) -> AbstractContextManager[None]:
        """Inside, a network computes in half precision where the device is good at it."""

    def part(self) -> None:
        """Ends the company; what a process still does it does alone."""


class Alone:
    """One process on the processor, which is the usual case."""

    rank = 0
    size = 1
    device = "cpu"

    def wait(self) -> None:
        """Waits for nobody."""

    def gather(self, tensor: Any) -> Any:
        """The tensor itself."""
        return tensor

    def sum(self, tensor: Any) -> Any:
        """The tensor itself."""
        return tensor

    def share(self, value: Any) -> Any:
        """The value itself."""
        return value

    def autocast(self) -> AbstractContextManager[None]:
        """Computes in the precision of the weights."""
        return nullcontext()

    def part(self) -> None:
        """Has nobody to part from."""


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
