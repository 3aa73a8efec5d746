"""A teacher's server on the loopback, and the stage that asks it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from teacher_server import KEY, MODEL, TeacherServer

from edgedistill.core.endpoint import Endpoint
from edgedistill.core.stage import StageContext
from edgedistill.stages.respond import Responding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgedistill.stages.respond import Prompt


@pytest.fixture
def server() -> Iterator[TeacherServer]:
    with TeacherServer() as running:
        yield running


class JumpingClock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waited: list[float] = []
        self._lock = threading.Lock()

    def now_s(self) -> float:
        with self._lock:
            return self.seconds

    def wait(self, seconds: float, halt: threading.Event) -> None:
        del halt
        with self._lock:
            self.seconds += seconds
            self.waited.append(seconds)


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def endpoint(server: TeacherServer) -> Callable[..., Endpoint]:
    def make(**changes: Any) -> Endpoint:
        document = {"url": server.url, "model": MODEL, "timeout_s": 10.0, **changes}
        return Endpoint.read(document, file="recipe.yaml")

    return make


@pytest.fixture
def ask(
    endpoint: Callable[..., Endpoint], clock: JumpingClock, tmp_path: Path
) -> Callable[..., tuple[dict[str, Any], Path]]:
    """Runs the stage; gives facts and folder. A second call finds the checkpoint of the first."""

    def run(
        prompts: list[Prompt], *, folder: str = "step", **changes: Any
    ) -> tuple[dict[str, Any], Path]:
        place, checkpoint = tmp_path / folder, tmp_path / "checkpoint"
        place.mkdir()
        checkpoint.mkdir(exist_ok=True)
        stage = Responding(prompts, endpoint(**changes), {"TEACHER_API_KEY": KEY}, clock)
        return dict(stage.run(StageContext(place, checkpoint=checkpoint)).facts), place

    return run
