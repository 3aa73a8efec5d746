from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from edgedistill.render.progress import LineProgress, TerminalProgress

if TYPE_CHECKING:
    from edgedistill.core.stage import Progress


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def work(progress: Progress, clock: Clock, *, units: int, unit_s: float) -> None:
    with progress.track("train", units) as advance:
        for unit in range(units):
            clock.now_s += unit_s
            advance(note=f"loss {unit}")


def test_short_work_is_silent() -> None:
    stream, clock = io.StringIO(), Clock()
    work(LineProgress(stream, clock=clock), clock, units=10, unit_s=0.1)
    assert stream.getvalue() == ""


def test_lasting_work_says_how_far_it_is_now_and_then_and_its_end() -> None:
    stream, clock = io.StringIO(), Clock()
    work(LineProgress(stream, clock=clock, every_s=50.0), clock, units=20, unit_s=10.0)
    assert stream.getvalue().splitlines() == [
        "train: 5 %, about 3 min 10 s left",
        "train: 30 %, about 2 min 20 s left (loss 5)",
        "train: 55 %, about 1 min 30 s left (loss 10)",
        "train: 80 %, about 40.0 s left (loss 15)",
        "train: done in 3 min 20 s",
    ]


def test_work_that_cannot_tell_how_far_it_is_still_says_its_end() -> None:
    stream, clock = io.StringIO(), Clock()
    with LineProgress(stream, clock=clock).track("export", 0) as advance:
        clock.now_s += 3.0
        advance()
    assert stream.getvalue().splitlines() == ["export: begun", "export: done in 3.0 s"]


@pytest.mark.parametrize("terminal", [True, False])
def test_work_that_is_stopped_says_so(terminal: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    clock = Clock()
    progress = TerminalProgress(stream, clock=clock) if terminal else LineProgress(stream)

    def interrupted() -> None:
        with progress.track("train", 10):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "train: stopped after 0.0 s" in stream.getvalue()


def test_lines_cannot_steer_the_terminal() -> None:
    stream = io.StringIO()
    LineProgress(stream).say("a\x1b[31m\nb")
    assert stream.getvalue() == "a [31m b\n"


def test_bars_on_a_terminal_show_the_time_left_and_leave_one_line() -> None:
    stream, clock = Terminal(), Clock()
    progress = TerminalProgress(stream, clock=clock)
    with progress.track("outer [bold]", 2) as outer:
        work(progress, clock, units=3, unit_s=1.0)
        outer()
        progress.say("a word [red]between[/red]")
        outer(note="last")
    text = stream.getvalue()
    assert "outer [bold]" in text
    assert "left" in text
    assert "train: done in 3.0 s" in text
    assert "a word [red]between[/red]" in text
    assert text.rstrip().endswith("outer [bold]: done in 3.0 s")


def test_one_progress_serves_many_bars_in_turn() -> None:
    stream, clock = Terminal(), Clock()
    progress = TerminalProgress(stream, clock=clock)
    for _ in range(3):
        work(progress, clock, units=2, unit_s=2.0)
    assert stream.getvalue().count("train: done in 4.0 s") == 3
