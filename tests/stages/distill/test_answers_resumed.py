"""Killed or shared among processes, asking a teacher ends with the bytes of one left alone."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.errors import PromiseError
from edgedistill.stages.distill.answers import Teach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from edgedistill.data.dataset import Dataset
    from edgedistill.models import Network

VIEWS = 6
BATCHES = 16
"""Of a part, and each view is one part."""
PATIENCE_S = 60

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@dataclass(frozen=True)
class Tally:
    """A progress that writes a byte into a pipe for each batch that is asked."""

    pipe: int

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Callable[..., None]]:
        del title, total

        def advance(amount: int = 1, *, note: str = "") -> None:
            del amount
            if not note:
                os.write(self.pipe, b".")

        yield advance

    def say(self, line: str) -> None:
        del line


class Noisy(torch.nn.Module):
    """A teacher that draws random numbers when it is asked."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        answers: torch.Tensor = self.module(pixels)
        return answers + torch.randn(answers.shape)


@pytest.fixture
def teach(digits: Callable[..., Dataset], network: Callable[..., Network]) -> Teach:
    teacher = network()
    return Teach(
        replace(teacher, module=Noisy(teacher.module)),
        digits(augmentation=Augmentation(views=VIEWS, shift_pixels=1)),
    )


@pytest.fixture
def expected(teach: Teach, tmp_path: Path) -> dict[str, bytes]:
    """The files of a step that was left alone."""
    facts, files = ask(teach, tmp_path / "alone", checkpoint=None)
    assert facts["views"] == VIEWS
    assert set(files) == {"answers.npy", "answers.json"}
    return files


def ask(
    teach: Teach, folder: Path, *, checkpoint: Path | None, **context: Any
) -> tuple[Mapping[str, Any], dict[str, bytes]]:
    """Facts and files of a step in a fresh folder."""
    folder.mkdir()
    facts = teach.run(StageContext(folder, seed=3, checkpoint=checkpoint, **context)).facts
    return facts, {path.name: path.read_bytes() for path in folder.iterdir()}


def count(pipe: int) -> int:
    """How many batches were asked, up to now."""
    os.set_blocking(pipe, False)
    try:
        return len(os.read(pipe, 10_000))
    except BlockingIOError:
        return 0


def test_killed_at_random_it_asks_only_what_was_lost_and_ends_with_the_same_bytes(
    teach: Teach, expected: dict[str, bytes], tmp_path: Path
) -> None:
    moments, checkpoint, asked, kills = random.Random(0), tmp_path / "checkpoint", 0, 0
    checkpoint.mkdir()
    while kills < 6 and len(list(checkpoint.glob("part-*"))) < VIEWS:
        reader, writer = os.pipe()
        life = tmp_path / f"life-{kills}"
        process = multiprocessing.get_context("fork").Process(
            target=ask,
            args=(teach, life),
            kwargs={"checkpoint": checkpoint, "progress": Tally(writer)},
        )
        process.start()
        os.close(writer)
        for _ in range(moments.randint(1, 2 * BATCHES)):
            asked += len(os.read(reader, 1))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(PATIENCE_S)
        asked += count(reader)
        os.close(reader)
        kills += 1
    assert kills > 2
    reader, writer = os.pipe()
    facts, files = ask(teach, tmp_path / "end", checkpoint=checkpoint, progress=Tally(writer))
    asked += count(reader)
    assert files == expected
    assert "resumed" not in facts
    assert VIEWS * BATCHES <= asked <= (VIEWS + kills) * BATCHES


def test_whole_parts_are_kept_and_damaged_ones_asked_again(
    teach: Teach, expected: dict[str, bytes], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint"
    ask(teach, tmp_path / "first", checkpoint=checkpoint)
    parts = sorted(checkpoint.iterdir())
    assert len(parts) == VIEWS
    parts[1].write_bytes(parts[1].read_bytes()[:-7])
    parts[4].write_bytes(bytes(parts[4].stat().st_size))
    parts[5].unlink()
    reader, writer = os.pipe()
    _, files = ask(teach, tmp_path / "again", checkpoint=checkpoint, progress=Tally(writer))
    assert files == expected
    assert count(reader) == 3 * BATCHES


@dataclass(frozen=True, eq=False)
class Pair:
    """Two processes; plain data goes from the first to the other through a pipe."""

    rank: int
    barrier: Any
    connection: Any
    size: int = 2
    device: str = "cpu"

    def wait(self) -> None:
        self.barrier.wait(PATIENCE_S)

    def share(self, value: Any) -> Any:
        if self.rank == 0:
            self.connection.send(value)
            return value
        return self.connection.recv()

    def gather(self, tensor: Any) -> Any:
        return tensor

    def sum(self, tensor: Any) -> Any:
        return tensor

    def autocast(self) -> AbstractContextManager[None]:
        return nullcontext()


def test_two_processes_ask_half_each_and_the_first_one_writes_the_same_bytes(
    teach: Teach, expected: dict[str, bytes], tmp_path: Path
) -> None:
    fork, checkpoint = multiprocessing.get_context("fork"), tmp_path / "checkpoint"
    barrier, (near, far) = fork.Barrier(2), fork.Pipe()
    reader, writer = os.pipe()

    def second() -> None:
        found = ask(
            teach, tmp_path / "second", checkpoint=checkpoint, company=Pair(1, barrier, far)
        )
        far.send(found)

    other = fork.Process(target=second)
    other.start()
    facts, files = ask(
        teach,
        tmp_path / "first",
        checkpoint=checkpoint,
        company=Pair(0, barrier, near),
        progress=Tally(writer),
    )
    assert near.poll(PATIENCE_S)
    assert near.recv() == (facts, {})
    other.join(PATIENCE_S)
    assert files == expected
    assert count(reader) == VIEWS * BATCHES / 2


class Absent(Pair):
    """A company whose other process wrote elsewhere."""

    def wait(self) -> None:
        pass


def test_what_another_process_did_not_leave_here_is_missed(teach: Teach, tmp_path: Path) -> None:
    with pytest.raises(PromiseError, match=r"samples 0 to 999 in view 1, found none.*same place"):
        ask(teach, tmp_path / "first", checkpoint=tmp_path / "lost", company=Absent(0, None, None))
    with pytest.raises(ValueError, match="by way of a checkpoint folder"):
        ask(teach, tmp_path / "none", checkpoint=None, company=Absent(0, None, None))
