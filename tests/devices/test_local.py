from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

from edgedistill.devices.local import LocalTransport
from edgedistill.errors import DeviceError

if TYPE_CHECKING:
    from pathlib import Path

GRANDCHILD = """
import subprocess, sys, time
script = 'exec > "$0"; echo alive; exec sleep 1000'
grandchild = subprocess.Popen(["sh", "-c", script, sys.argv[1]])
while not open(f"/proc/{grandchild.pid}/cmdline").read().startswith("sleep"):
    time.sleep(0.01)
"""
"""Starts a process that holds the pipe open for a long time, and waits until it does."""


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def run_python(
    transport: LocalTransport, script: str, *arguments: str, timeout_s: float = 60.0
) -> list[str]:
    heard: list[str] = []
    command = [*transport.python, "-c", script, *arguments]
    transport.run(command, on_line=heard.append, timeout_s=timeout_s)
    return heard


def assert_all_writers_die(reader: int) -> None:
    """Reads until no process holds the other end of the pipe any more."""
    os.set_blocking(reader, True)
    said = b""
    while block := os.read(reader, 1024):
        said += block
    os.close(reader)
    assert b"alive" in said


def test_files_go_there_and_back_and_the_folder_goes(own_temporary_folder: Path) -> None:
    source = own_temporary_folder.parent / "source"
    source.write_bytes(b"some bytes")
    with LocalTransport() as local:
        local.put(source, "given")
        run_python(local, "import shutil; shutil.copy('given', 'made')")
        local.get("made", source.with_name("result"))
    assert source.with_name("result").read_bytes() == b"some bytes"
    assert list(own_temporary_folder.iterdir()) == []


def test_the_folder_is_private(own_temporary_folder: Path) -> None:
    with LocalTransport():
        (folder,) = own_temporary_folder.iterdir()
        assert folder.stat().st_mode & 0o077 == 0


def test_lines_come_one_by_one_with_the_last_unfinished_one() -> None:
    with LocalTransport() as local:
        assert run_python(local, "print('a\\nb'); print('ü', end='')") == ["a", "b", "ü"]


def test_a_line_comes_before_the_program_ends(pipe: Path) -> None:
    script = "import sys; print('waiting', flush=True); print(open(sys.argv[1]).read())"
    heard: list[str] = []

    def answer(line: str) -> None:
        heard.append(line)
        if line == "waiting":
            pipe.write_text("answered")  # the program only goes on when it was heard

    with LocalTransport() as local:
        command = [*local.python, "-c", script, str(pipe)]
        local.run(command, on_line=answer, timeout_s=60.0)
    assert heard == ["waiting", "answered"]


def test_a_program_that_fails_is_quoted() -> None:
    script = "import sys; [print(i, file=sys.stderr) for i in range(100)]; sys.exit('the reason')"
    with (
        LocalTransport() as local,
        pytest.raises(DeviceError, match=r"(?s)exit code 1;.*99\nthe reason$") as caught,
    ):
        run_python(local, script)
    assert "\n50\n" not in str(caught.value)


def test_a_program_killed_by_the_system_is_told() -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with (
        LocalTransport() as local,
        pytest.raises(DeviceError, match=r"killed by SIGKILL \(out of memory\?\)"),
    ):
        run_python(local, script)


def test_a_silent_program_is_killed_with_all_its_children(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with (
        LocalTransport() as local,
        pytest.raises(DeviceError, match=r"said nothing for 2 s and was killed"),
    ):
        run_python(local, GRANDCHILD + "grandchild.wait()", str(pipe), timeout_s=2.0)
    assert_all_writers_die(reader)


def test_an_interrupt_kills_the_program_with_all_its_children(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt(line)

    script = GRANDCHILD + "print('go', flush=True); grandchild.wait()"
    with LocalTransport() as local:
        command = [*local.python, "-c", script, str(pipe)]
        with pytest.raises(KeyboardInterrupt, match="go"):
            local.run(command, on_line=interrupt, timeout_s=60.0)
    assert_all_writers_die(reader)


def test_a_child_left_behind_neither_blocks_the_end_nor_lives_on(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    script = GRANDCHILD + "subprocess.Popen(['sleep', '1000']); print('done')"
    with LocalTransport() as local:
        assert run_python(local, script, str(pipe)) == ["done"]
    assert_all_writers_die(reader)


def test_standard_input_stays_open() -> None:
    script = """
import select, sys
print(select.select([sys.stdin], [], [], 0.1)[0])
"""
    with LocalTransport() as local:
        assert run_python(local, script) == ["[]"]


def test_what_cannot_be_done_says_so(tmp_path: Path) -> None:
    with LocalTransport() as local:
        with pytest.raises(DeviceError, match="no-such-program could not be started"):
            local.run(["no-such-program"], on_line=print, timeout_s=1.0)
        with pytest.raises(DeviceError, match="left no file nothing"):
            local.get("nothing", tmp_path / "nothing")
        with pytest.raises(DeviceError, match="could not be copied"):
            local.put(tmp_path / "absent", "absent")
        with pytest.raises(DeviceError, match="no plain file name"):
            local.put(tmp_path, "../escaped")
        with pytest.raises(DeviceError, match="make a second one"):
            local.__enter__()
    with pytest.raises(DeviceError, match="outside of its `with` block"):
        local.run(["true"], on_line=print, timeout_s=1.0)


def test_one_transport_can_be_opened_again() -> None:
    local = LocalTransport()
    for _ in range(2):
        with local:
            assert run_python(local, "print('here')") == ["here"]


def test_only_folders_of_dead_processes_are_swept(own_temporary_folder: Path) -> None:
    with LocalTransport():
        (alive,) = own_temporary_folder.iterdir()
        dead = own_temporary_folder / "edgedistill-device-dead"
        fresh = own_temporary_folder / "edgedistill-device-fresh"
        for folder in (dead, fresh):
            folder.mkdir()
            (folder / ".lock").touch()
        for folder in (dead, alive):
            os.utime(folder / ".lock", (0, 0))
        with LocalTransport():
            left = {folder.name for folder in own_temporary_folder.iterdir()}
    assert dead.name not in left
    assert {alive.name, fresh.name} <= left
