from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.core.stage import StageContext
from edgedistill.errors import InputError
from edgedistill.stages.respond import Responding, open_responses
from edgedistill.stages.respond.client import retry_after_s

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import JumpingClock
    from teacher_server import TeacherServer

    from edgedistill.core.endpoint import Endpoint

    Ask = Callable[..., tuple[dict[str, Any], Path]]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("status", {"status": 408}),
        ("status", {"status": 409}),
        ("status", {"status": 429}),
        ("status", {"status": 500}),
        ("status", {"status": 503}),
        ("drop", {}),
        ("cut", {}),
        ("malformed", {}),
        ("broken-stream", {}),
    ],
)
def test_what_passes_is_tried_again_until_it_has_passed(
    ask: Ask, server: TeacherServer, clock: JumpingClock, kind: str, told: dict[str, Any]
) -> None:
    server.does(kind, times=2, **told)
    facts, folder = ask(["a"])
    assert open_responses(folder).texts == (server.text("a"),)
    assert facts["requests_sent_this_time"] == len(server.seen) == 3
    assert facts["retries_this_time"] == 2
    assert len(clock.waited) == 2


def test_a_request_that_hangs_is_given_up_after_the_timeout_and_sent_again(
    ask: Ask, server: TeacherServer
) -> None:
    server.does("hang")
    facts, folder = ask(["a"], timeout_s=0.2)
    assert open_responses(folder).texts == (server.text("a"),)
    assert facts["retries_this_time"] == 1


def test_the_pause_that_the_endpoint_asks_for_is_kept(
    ask: Ask, server: TeacherServer, clock: JumpingClock
) -> None:
    server.does("status", status=429, headers={"Retry-After": "17"})
    ask(["a"])
    assert 17 <= clock.seconds < 17.6


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, "Check what it objects to"),
        (401, "Check the key in TEACHER_API_KEY"),
        (403, "may use this model"),
        (404, "Check url"),
        (422, "Check what it objects to"),
    ],
)
def test_a_refusal_that_stays_stops_at_once_with_what_the_endpoint_said(
    ask: Ask, server: TeacherServer, status: int, remedy: str
) -> None:
    server.always_does("status", status=status, words="no such thing")
    with pytest.raises(InputError) as caught:
        ask(["a"], key_env="TEACHER_API_KEY")
    (fault,) = caught.value.faults
    assert (fault.file, fault.field) == (server.url, f"model {server.model}")
    assert f"status {status}: no such thing" in fault.problem
    assert remedy in fault.remedy
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("kind", "told", "words"),
    [
        ("status", {"status": 429}, "status 429, tried 3 times"),
        ("status", {"status": 500}, "status 500, tried 3 times: out of order"),
        ("drop", {}, "no response, tried 3 times"),
        ("malformed", {}, "status 200, tried 3 times: no JSON"),
    ],
)
def test_a_failure_that_does_not_pass_stops_after_the_retries(
    ask: Ask, server: TeacherServer, kind: str, told: dict[str, Any], words: str
) -> None:
    server.always_does(kind, **told)
    with pytest.raises(InputError, match=words):
        ask(["a"], retries=2)
    assert len(server.seen) == 3


def test_a_quota_that_is_used_up_is_told_instead_of_waited_for(
    ask: Ask, server: TeacherServer, clock: JumpingClock
) -> None:
    server.always_does("status", status=429, headers={"Retry-After": "40000"})
    with pytest.raises(InputError, match="It asks to wait 40000 s: start again then"):
        ask(["a"])
    assert clock.waited == []


def test_a_reply_that_holds_the_key_is_not_stored(
    ask: Ask, server: TeacherServer, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="holds the key itself, so it was not stored"):
        ask([f"say {server.key}"], key_env="TEACHER_API_KEY")
    assert (tmp_path / "checkpoint" / "journal.jsonl").read_bytes() == b""


def test_another_api_is_told_without_a_retry(ask: Ask, server: TeacherServer) -> None:
    server.does("stranger")
    with pytest.raises(InputError, match="status 200: model: Field required"):
        ask(["a"])
    assert len(server.seen) == 1


def test_what_was_under_way_when_one_failed_is_kept_and_not_asked_again(
    ask: Ask, server: TeacherServer
) -> None:
    server.does("none", times=3)
    server.does("status", status=400)
    prompts = [f"{number}" for number in range(10)]
    with pytest.raises(InputError, match=r"\d replies are kept: the same command goes on"):
        ask(prompts, concurrency=2)
    answered = [prompt for seen in server.seen for prompt in seen.prompts]
    facts, folder = ask(prompts, folder="again", concurrency=2)
    assert open_responses(folder).texts == tuple(server.text(prompt) for prompt in prompts)
    assert facts["requests_resumed"] == len(answered) - 1
    assert facts["requests_sent_this_time"] == 10 - facts["requests_resumed"]
    assert facts["tokens"]["prompt"] == 70
    assert facts["tokens_this_time"]["prompt"] == 7 * facts["requests_sent_this_time"]
    assert len(server.asked) == 11  # each once, and the refused one again


def test_nobody_there_is_told_with_the_address(
    endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(
        InputError, match=rf"{re.escape(url)}.*no response.*Check that the endpoint is up"
    ):
        Responding(["a"], endpoint(url=url, retries=0), {}).run(StageContext(tmp_path))


def test_the_key_is_sent_and_stands_nowhere_else(
    ask: Ask, server: TeacherServer, tmp_path: Path
) -> None:
    facts, _ = ask(["a", "b"], key_env="TEACHER_API_KEY", top_k_log_probabilities=2)
    assert {seen.headers["Authorization"] for seen in server.seen} == {f"Bearer {server.key}"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 11
    assert not [path for path in files if server.key.encode() in path.read_bytes()]
    assert server.key not in repr(facts)


def test_without_key_env_no_key_is_sent(ask: Ask, server: TeacherServer) -> None:
    ask(["a"])
    assert "Authorization" not in server.seen[0].headers


def test_a_key_that_the_endpoint_gives_back_is_not_told(
    ask: Ask, server: TeacherServer, endpoint: Callable[..., Endpoint]
) -> None:
    server.always_does("status", status=401, words=f"Incorrect API key provided: {server.key}")
    with pytest.raises(InputError, match=r"Incorrect API key provided: \(key\)") as caught:
        ask(["a"], key_env="TEACHER_API_KEY")
    assert server.key not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    stage = Responding(["a"], endpoint(key_env="TEACHER_API_KEY"), {"TEACHER_API_KEY": server.key})
    assert server.key not in repr(stage)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "not set, or empty (given: TEACHER_API_KEY)"),
        ({"TEACHER_API_KEY": " "}, "not set, or empty"),
        ({"TEACHER_API_KEY": "two words"}, "whose value is no key"),
    ],
)
def test_a_missing_key_is_told_before_anything_is_sent(
    endpoint: Callable[..., Endpoint],
    server: TeacherServer,
    tmp_path: Path,
    environment: dict[str, str],
    words: str,
) -> None:
    stage = Responding(["a"], endpoint(key_env="TEACHER_API_KEY"), environment)
    with pytest.raises(InputError) as caught:
        stage.run(StageContext(tmp_path))
    assert words in str(caught.value)
    assert "export TEACHER_API_KEY=" in str(caught.value)
    assert "two words" not in str(caught.value)
    assert not server.seen


def test_prompts_and_key_do_not_follow_to_another_address(ask: Ask, server: TeacherServer) -> None:
    elsewhere = {"Location": "http://127.0.0.1:9/v1/chat/completions"}
    server.always_does("status", status=307, headers=elsewhere)
    with pytest.raises(InputError, match=r"sends on to http://127.0.0.1:9/.*If you trust"):
        ask(["a"], key_env="TEACHER_API_KEY")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0.25"}, 0.25),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        (
            {
                "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT",
                "Date": "Fri, 31 Dec 1999 23:59:29 GMT",
            },
            30.0,
        ),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(headers) == seconds
