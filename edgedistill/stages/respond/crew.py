"""A bounded crew of threads that does a list of work and stops when told."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Work = TypeVar("Work")
Result = TypeVar("Result")


class Crew(Generic[Work, Result]):
    """Threads that each take the next piece of work until there is none or all is to halt.

    A thread takes no more work before its result was dealt with, so that a kill loses one result a
    thread at most. They are daemons: on Ctrl-C nobody waits for work that is under way.
    """

    def __init__(
        self,
        work: Sequence[Work],
        do: Callable[[Work], Result],
        *,
        size: int,
        halt: threading.Event,
    ) -> None:
        self._left = iter(work)
        self._do = do
        self._halt = halt
        self._taking = threading.Lock()
        self._results: SimpleQueue[Result | None] = SimpleQueue()
        self._dealt_with = threading.Semaphore(0)
        self._size = min(size, len(work))

    def results(self) -> Iterator[Result]:
        """Starts all and gives each result as it comes, until every thread has gone home."""
        for _ in range(self._size):
            threading.Thread(target=self._shift, daemon=True).start()
        at_work = self._size
        while at_work:
            result = self._results.get()
            if result is None:
                at_work -= 1
            else:
                yield result
                self._dealt_with.release()

    def at_hand(self) -> Iterator[Result]:
        """The results that are there already; waits for none."""
        while True:
            try:
                result = self._results.get_nowait()
            except Empty:
                return
            if result is not None:
                yield result
                self._dealt_with.release()

    def _shift(self) -> None:
        try:
            while not self._halt.is_set():
                with self._taking:
                    work = next(self._left, None)
                if work is None:
                    return
                self._results.put(self._do(work))
                self._dealt_with.acquire()
        finally:
            self._results.put(None)
