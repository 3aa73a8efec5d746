"""Killed and stopped runs, in processes of their own."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from teacher_server import TeacherServer

PROMPTS = [f"prompt {number}" for number in range(60)]
PROGRAM = """
import json, os, shutil, sys
from pathlib import Path
from edgedistill.core.endpoint import Endpoint
from edgedistill.core.stage import StageContext
from edgedistill.stages.respond import Responding, read_prompts

prompts, url, root = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
folder, checkpoint = root / "step", root / "checkpoint"
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)
checkpoint.mkdir(exist_ok=True)
endpoint = Endpoint(url=url, model="m", concurrency=3, top_k_log_probabilities=2)
stage = Responding(read_prompts(prompts), endpoint, os.environ)
print(json.dumps(stage.run(StageContext(folder, checkpoint=checkpoint)).facts))
"""


@pytest.fixture
def prompts_file(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(PROMPTS))
    return path


def _start(prompts: Path, server: TeacherServer, root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(prompts), server.url, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _journaled(root: Path) -> set[str]:
    """Prompts whose reply is whole in the journal."""
    path = root / "checkpoint" / "journal.jsonl"
    text = path.read_text() if path.exists() else ""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return {PROMPTS[json.loads(line)["entry"]["prompt"]] for line in lines}


def _files(root: Path) -> dict[str, bytes]:
    paths = [path for path in (root / "step").rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_a_run_killed_again_and_again_asks_nothing_that_it_has_an_answer_to(
    prompts_file: Path, server: TeacherServer, tmp_path: Path
) -> None:
    draw = random.Random(11)
    server.permits = threading.Semaphore(0)
    kept: set[str] = set()
    for _ in range(4):
        begin, answers = len(server.seen), draw.randint(8, 13)
        goal = server.answers + answers
        run = _start(prompts_file, server, tmp_path / "killed")
        for _ in range(answers):
            server.permits.release()
        server.wait_for_answers(goal)
        run.kill()
        run.communicate()
        assert run.returncode == -signal.SIGKILL
        assert not kept & set(server.asked[begin:])
        for _ in range(len(server.seen) - server.answers):  # sent by the dead, answered to nobody
            server.permits.release()
        server.wait_for_answers(len(server.seen))
        before, kept = kept, _journaled(tmp_path / "killed")
        assert before <= kept
        # each of 3 threads had one reply under way, and one of the dead run's may have come late
        assert len(kept - before) >= answers - 6
    begin, server.permits = len(server.seen), None
    last = _start(prompts_file, server, tmp_path / "killed")
    facts = json.loads(last.communicate()[0])
    assert set(server.asked[begin:]) == set(PROMPTS) - kept
    assert facts["requests_resumed"] == len(kept)
    assert facts["requests_sent_this_time"] == 60 - len(kept)
    assert facts["tokens"]["prompt"] == 7 * 60

    whole = _start(prompts_file, server, tmp_path / "whole")
    assert whole.communicate()[1] == ""
    assert _files(tmp_path / "killed") == _files(tmp_path / "whole")
    assert len(_files(tmp_path / "whole")) == 10


def test_ctrl_c_stops_at_once_while_the_endpoint_hangs_and_keeps_what_came(
    prompts_file: Path, server: TeacherServer, tmp_path: Path
) -> None:
    server.does("none", times=5)
    server.always_does("hang")
    run = _start(prompts_file, server, tmp_path)
    server.wait_for_answers(5)
    path = tmp_path / "checkpoint" / "journal.jsonl"
    while not path.exists() or path.read_bytes().count(b"\n") < 5:
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=5)  # the request's own timeout is 120 s
    assert run.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in errors
    assert len(_journaled(tmp_path)) == 5
