from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.core.stage import StageContext
from edgedistill.errors import InputError
from edgedistill.stages.respond import Message, Responding, open_responses

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import JumpingClock
    from teacher_server import TeacherServer

    from edgedistill.core.endpoint import Endpoint

    Ask = Callable[..., tuple[dict[str, Any], Path]]

PROMPTS = [f"What is {number}?" for number in range(12)]


def test_each_prompt_is_answered_in_its_place(ask: Ask, server: TeacherServer) -> None:
    facts, folder = ask(PROMPTS)
    responses = open_responses(folder)
    assert responses.prompts == tuple(PROMPTS)
    assert responses.texts == tuple(server.text(prompt) for prompt in PROMPTS)
    assert set(responses.finish_reasons) == {"stop"}
    assert sorted(server.asked) == sorted(PROMPTS)
    assert facts["requests_sent_this_time"] == len(server.seen) == 12
    assert facts["retries_this_time"] == 0
    assert facts["tokens"] == {"prompt": 84, "completion": 60, "requests_without_usage": 0}
    assert facts["models_served"] == [server.served]
    assert facts["distillation"] == "sequence-level"
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


@pytest.mark.parametrize(
    ("changes", "requests"),
    [
        ({"api": "completion"}, 12),
        ({"api": "completion", "batch": 5}, 3),
        ({"api": "completion", "batch": 5, "samples_per_prompt": 2, "temperature": 0.7}, 3),
        ({"samples_per_prompt": 3, "temperature": 0.7}, 12),
        ({"concurrency": 1}, 12),
    ],
)
def test_batches_and_samples_come_back_in_order(
    ask: Ask, server: TeacherServer, changes: dict[str, Any], requests: int
) -> None:
    facts, folder = ask(PROMPTS, **changes)
    samples = changes.get("samples_per_prompt", 1)
    expected = [server.text(prompt, sample) for prompt in PROMPTS for sample in range(samples)]
    assert open_responses(folder).texts == tuple(expected)
    assert len(server.seen) == facts["requests"] == requests
    assert facts["tokens"]["completion"] == 5 * len(expected)
    assert facts["tokens"]["prompt"] == 7 * 12  # several samples pay the prompt once


def test_equal_prompts_are_asked_once_and_answered_each(ask: Ask, server: TeacherServer) -> None:
    facts, folder = ask(["a", "b", "a", "c", "b", "a"], api="completion", batch=2)
    assert sorted(server.asked) == ["a", "b", "c"]
    assert open_responses(folder).texts == tuple(server.text(each) for each in "abacba")
    assert (facts["prompts"], facts["distinct_prompts"], facts["responses"]) == (6, 3, 6)


def test_only_what_the_recipe_sets_is_sent(ask: Ask, server: TeacherServer) -> None:
    ask(["hello"])
    ask(["hello"], folder="more", system="Be brief.", seed=3, top_k_log_probabilities=2)
    bare, full = (seen.body for seen in server.seen)
    turn = {"role": "user", "content": "hello"}
    assert bare == {
        "model": server.model,
        "messages": [turn],
        "max_tokens": 512,
        "temperature": 0.0,
    }
    assert full == bare | {
        "messages": [{"role": "system", "content": "Be brief."}, turn],
        "seed": 3,
        "logprobs": True,
        "top_logprobs": 2,
    }


def test_a_conversation_is_asked_as_it_is_and_keeps_its_own_system_message(
    ask: Ask, server: TeacherServer
) -> None:
    own = (Message("system", "Rhyme."), Message("user", "hello"))
    _, folder = ask([own, (Message("user", "bye"),)], system="Be brief.", concurrency=1)
    roles = [[turn["content"] for turn in seen.body["messages"]] for seen in server.seen]
    assert roles == [["Rhyme.", "hello"], ["Be brief.", "bye"]]
    assert open_responses(folder).prompts[0] == own


def test_a_conversation_for_the_completion_api_is_refused(ask: Ask, server: TeacherServer) -> None:
    with pytest.raises(InputError, match="takes plain text, and some prompts are conversations"):
        ask([(Message("user", "hello"),)], api="completion")
    assert not server.seen


@pytest.mark.parametrize(
    ("prompts", "words"),
    [([], "there is no prompt"), (["ok", " "], r"prompts\[1\]: has a turn of the user without")],
)
def test_prompts_that_cannot_be_asked_are_refused_before_anything_is_sent(
    ask: Ask, server: TeacherServer, prompts: list[str], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        ask(prompts)
    assert not server.seen


def test_marks_are_counted_and_the_recipe_says_what_is_kept(
    ask: Ask, server: TeacherServer, endpoint: Callable[..., Endpoint]
) -> None:
    for kind in ("empty", "length", "filtered"):
        server.does(kind)
    facts, folder = ask(["a", "b", "c", "d"], concurrency=1)
    responses = open_responses(folder)
    marks = [response.marks for response in responses.all]
    assert marks == [("empty",), ("truncated",), ("refused",), ()]
    assert [facts[mark] for mark in ("empty", "truncated", "refused")] == [1, 1, 1]
    assert responses.kept(endpoint()) == (3,)
    assert responses.kept(endpoint(truncated="keep")) == (1, 3)
    assert responses.kept(endpoint(empty="keep", refused="keep")) == (0, 2, 3)


def test_a_server_that_streams_unasked_is_understood(ask: Ask, server: TeacherServer) -> None:
    server.does("stream")
    facts, folder = ask(["a"])
    assert open_responses(folder).texts == (server.text("a"),)
    assert facts["tokens"]["requests_without_usage"] == 1
    assert facts["retries_this_time"] == 0


def test_nothing_stored_differs_from_run_to_run(ask: Ask, tmp_path: Path) -> None:
    files = []
    for name in ("once", "again"):
        _, folder = ask(PROMPTS, folder=name, top_k_log_probabilities=3)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files.append({path.relative_to(folder): path.read_bytes() for path in paths})
        (tmp_path / "checkpoint" / "journal.jsonl").unlink()
    assert files[0] == files[1]
    assert len(files[0]) == 10


def test_without_a_checkpoint_the_folder_holds_the_responses_alone(
    endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    Responding(["a"], endpoint(), {}).run(StageContext(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["responses.json", "responses.jsonl"]


def test_no_more_requests_are_under_way_than_the_recipe_allows(
    endpoint: Callable[..., Endpoint], server: TeacherServer, tmp_path: Path
) -> None:
    import threading

    server.permits = threading.Semaphore(0)
    stage = Responding(PROMPTS, endpoint(concurrency=3), {})
    run = threading.Thread(target=stage.run, args=(StageContext(tmp_path),))
    run.start()
    for count in range(12):
        server.permits.release()
        server.wait_for_answers(count + 1)
        assert len(server.seen) <= count + 1 + 3
    run.join()
    assert len(open_responses(tmp_path)) == 12


def test_a_limit_per_minute_spaces_the_requests(ask: Ask, clock: JumpingClock) -> None:
    ask(PROMPTS, requests_per_minute=30, concurrency=1)
    assert clock.seconds == pytest.approx(11 * 2.0)


def test_without_the_http_client_the_extra_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['httpx2'] = None\n"  # as if it were not installed
        "import importlib.util\n"
        "from pathlib import Path\n"
        "from edgedistill.core.endpoint import Endpoint\n"
        "from edgedistill.core.stage import StageContext\n"
        "from edgedistill.stages.respond import Responding\n"
        "endpoint = Endpoint(url='http://localhost:1', model='m')\n"
        "Responding(['a'], endpoint, {}).run(StageContext(Path(sys.argv[1])))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "MissingExtraError" in ended.stderr
    assert "pip install 'edgedistill[endpoint]'" in ended.stderr
