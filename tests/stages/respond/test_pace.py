from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from edgedistill.stages.respond.pace import Pace, SystemClock
from edgedistill.stages.respond.patience import pause_s

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_s(self) -> float:
        return self.seconds

    def wait(self, seconds: float, halt: threading.Event) -> None:
        del halt
        self.seconds += seconds


def _times(limit: int, idle: list[float], after: Callable[[Pace, float], None]) -> list[float]:
    clock = Clock()
    pace = Pace(limit, clock=clock, halt=threading.Event())
    times = []
    for seconds in idle:
        after(pace, seconds)
        clock.seconds += seconds
        assert pace.turn()
        times.append(clock.seconds)
    return times


@given(st.integers(1, 600), st.lists(st.sampled_from([0.0, 0.01, 0.5, 3.0, 70.0]), max_size=40))
def test_no_minute_sees_more_than_the_limit(limit: int, idle: list[float]) -> None:
    times = _times(limit, idle, lambda pace, seconds: None)
    for start in times:
        assert sum(start <= time < start + 60 - 1e-6 for time in times) <= limit


@given(st.integers(1, 600), st.integers(2, 30))
def test_who_never_idles_gets_all_that_the_limit_allows(limit: int, turns: int) -> None:
    times = _times(limit, [0.0] * turns, lambda pace, seconds: None)
    assert abs(times[-1] - (turns - 1) * 60 / limit) < 1e-6


def test_nobody_gets_a_turn_while_the_endpoint_rests() -> None:
    clock = Clock()
    pace = Pace(None, clock=clock, halt=threading.Event())
    assert pace.turn()
    pace.rest(30.0)
    pace.rest(5.0)
    assert pace.turn()
    assert clock.seconds == 30.0


def test_halting_ends_a_wait_at_once() -> None:
    halt = threading.Event()
    pace = Pace(1, clock=SystemClock(), halt=halt)
    assert pace.turn()
    turns: list[bool] = []
    waiting = threading.Thread(target=lambda: turns.append(pace.turn()))
    waiting.start()
    halt.set()
    waiting.join(timeout=10)
    assert turns == [False]


@given(st.integers(1, 20), st.text(max_size=4))
def test_pauses_double_up_to_a_minute_less_a_random_half(tries: int, seed: str) -> None:
    longest = min(0.5 * 2 ** (tries - 1), 60.0)
    assert longest / 2 <= pause_s(tries, seed) <= longest


def test_requests_that_failed_together_come_again_apart() -> None:
    assert len({pause_s(3, str(seed)) for seed in range(50)}) == 50
