"""How far a run is: bars with the time left on a terminal, quiet lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgedistill.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from edgedistill.core.stage import Advance

_TELLING_SHARE = 0.02
LASTING_S = 2.0
"""What is shorter than this is not worth a line."""


class TerminalProgress:
    """Bars with the time left; a bar that lasted leaves one line behind."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.perf_counter) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._clock = clock
        self._bars: Any = None

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Advance]:
        """Opens a bar; bars opened inside it stand below."""
        outermost = self._bars is None
        if outermost:
            self._bars = _bars(self._console)
            self._bars.start()
        bars = self._bars
        task = bars.add_task(_plain(title), total=total, note="")
        started_s = self._clock()

        def advance(amount: int = 1, *, note: str = "") -> None:
            bars.update(task, advance=amount, **({"note": _plain(note)} if note else {}))

        ended = "stopped after"
        try:
            yield advance
            ended = "done in"
        finally:
            bars.remove_task(task)
            if outermost:
                self._bars = None
                bars.stop()
            lasted_s = self._clock() - started_s
            if lasted_s >= LASTING_S or ended == "stopped after":
                self.say(f"{title}: {ended} {format_duration(lasted_s)}")

    def say(self, line: str) -> None:
        """Prints one line above the bars."""
        self._console.print(_plain(line), soft_wrap=True)


class LineProgress:
    """Quiet lines for a log: what lasts says now and then how far it is, and when it ended.

    Nothing runs beside the work: a line is written when the work moves on.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        clock: Callable[[], float] = time.perf_counter,
        every_s: float = 60.0,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._every_s = every_s

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Advance]:
        """Follows `total` units of work."""
        started_s = self._clock()
        done = 0
        told_s: float | None = None

        def advance(amount: int = 1, *, note: str = "") -> None:
            nonlocal done, told_s
            done += amount
            now_s = self._clock()
            if told_s is None and now_s - started_s >= LASTING_S:
                self.say(f"{title}: {_left(done, total, now_s - started_s)}")
                told_s = now_s
            elif told_s is not None and now_s - told_s >= self._every_s:
                beside = f" ({note})" if note else ""
                self.say(f"{title}: {_left(done, total, now_s - started_s)}{beside}")
                told_s = now_s

        ended = "stopped after"
        try:
            yield advance
            ended = "done in"
        finally:
            lasted_s = self._clock() - started_s
            if lasted_s >= LASTING_S or ended == "stopped after":
                self.say(f"{title}: {ended} {format_duration(lasted_s)}")

    def say(self, line: str) -> None:
        """Writes one line."""
        self._stream.write(_plain(line) + "\n")
        self._stream.flush()


def _left(done: int, total: int, lasted_s: float) -> str:
    """How far, and how long still at the pace so far; the first steps are slow and tell nothing.

    >>> _left(5, 20, 10.0), _left(1, 1000, 10.0)
    ('25 %, about 30.0 s left', 'begun')
    """
    if total <= 0 or done < _TELLING_SHARE * total:
        return "begun"
    share = min(done / total, 1.0)
    return f"{100 * share:.0f} %, about {format_duration(lasted_s * (1 / share - 1))} left"


def _plain(text: str) -> str:
    """One line without the control characters that could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _bars(console: Any) -> Any:
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        transient=True,
    )
