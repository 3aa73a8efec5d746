from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgedistill.stages.respond.journal import Journal
from edgedistill.stages.respond.reply import Answer, Reply, Usage
from edgedistill.stages.respond.request import Request

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = [Request(place, 1, 1, "completions", "{}", f"sha-{place}") for place in range(5)]


def _reply(place: int) -> Reply:
    return Reply("m", Usage(place, 1), ((Answer(f"é {place} \u2028", "stop"),),))


def _write(folder: Path, count: int = 5) -> Path:
    with Journal(folder) as journal:
        for place in range(count):
            journal.add(REQUESTS[place], _reply(place))
    return folder / "journal.jsonl"


def test_replies_are_there_again_after_the_file_was_closed(tmp_path: Path) -> None:
    path = _write(tmp_path, 3)
    with Journal(tmp_path) as journal:
        assert len(journal) == 3
        journal.add(REQUESTS[4], _reply(4))
        assert [request in journal for request in REQUESTS] == [True, True, True, False, True]
        assert journal.reply(REQUESTS[4]) == _reply(4)
        assert journal.reply(REQUESTS[1]) == _reply(1)
        with pytest.raises(KeyError):
            journal.reply(REQUESTS[3])
    assert [json.loads(line)["entry"]["prompt"] for line in path.read_text().splitlines()] == [
        0,
        1,
        2,
        4,
    ]


@given(cut=st.integers(0, 2000))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_wherever_a_kill_cuts_it_whole_lines_stay_and_the_torn_one_goes(
    tmp_path: Path, cut: int
) -> None:
    (tmp_path / "journal.jsonl").unlink(missing_ok=True)
    path = _write(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    with Journal(tmp_path) as journal:
        assert [request in journal for request in REQUESTS] == [p < kept for p in range(5)]
        for place in range(kept, 5):
            journal.add(REQUESTS[place], _reply(place))
    assert path.read_bytes() == whole


@pytest.mark.parametrize("byte", [b"\x00", b"7", b"\xff"])
def test_a_line_that_the_disk_damaged_is_passed_over_and_the_rest_kept(
    tmp_path: Path, byte: bytes
) -> None:
    path = _write(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    middle = len(lines[2]) - 20
    lines[2] = lines[2][:middle] + byte + lines[2][middle + 1 :]
    path.write_bytes(b"".join(lines))
    with Journal(tmp_path) as journal:
        assert [request in journal for request in REQUESTS] == [True, True, False, True, True]
        assert journal.reply(REQUESTS[4]) == _reply(4)


def test_a_reply_to_another_request_is_not_taken(tmp_path: Path) -> None:
    _write(tmp_path, 1)
    with Journal(tmp_path) as journal:
        assert Request(0, 1, 1, "completions", "{}", "sha-other") not in journal
        assert Request(1, 1, 1, "completions", "{}", "sha-0") not in journal
