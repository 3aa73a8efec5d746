from __future__ import annotations

import threading

import pytest

from edgedistill.stages.respond.crew import Crew


@pytest.mark.parametrize("size", [1, 3, 50])
def test_each_piece_of_work_is_done_once(size: int) -> None:
    crew = Crew(list(range(20)), lambda number: number * number, size=size, halt=threading.Event())
    assert sorted(crew.results()) == [number * number for number in range(20)]
    assert list(crew.at_hand()) == []


def test_no_work_needs_nobody() -> None:
    assert list(Crew([], lambda number: number, size=4, halt=threading.Event()).results()) == []


def test_nobody_takes_more_before_the_result_was_dealt_with() -> None:
    taken: list[int] = []
    halt = threading.Event()
    crew = Crew(list(range(20)), lambda number: taken.append(number) or number, size=1, halt=halt)
    for number in crew.results():
        assert taken == list(range(number + 1))


def test_after_a_halt_nobody_takes_more_and_what_is_done_is_at_hand() -> None:
    halt = threading.Event()
    begun = threading.Barrier(3)
    taken: list[int] = []

    def do(number: int) -> int:
        taken.append(number)
        begun.wait()
        return number

    crew = Crew(list(range(20)), do, size=3, halt=halt)
    results = crew.results()
    found = {next(results)}
    halt.set()
    found |= set(results)
    assert found == set(taken) == {0, 1, 2}
    assert list(crew.at_hand()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_in_a_thread_ends_its_shift_and_hangs_nobody() -> None:
    def do(number: int) -> int:
        return 10 // number

    crew = Crew([5, 0, 2, 1], do, size=1, halt=threading.Event())
    before = set(threading.enumerate())
    assert list(crew.results()) == [2]
    for thread in set(threading.enumerate()) - before:
        thread.join()  # its error is told when it ends
