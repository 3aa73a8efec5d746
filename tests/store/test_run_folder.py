from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edgedistill.errors import DiskFullError, InputError
from edgedistill.store import RunFolder, files_of, step_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "ab" * 32


def _write(text: str) -> Callable[[Path, Path], dict[str, int]]:
    def work(folder: Path, _checkpoint: Path) -> dict[str, int]:
        (folder / "result.txt").write_text(text)
        return {"length": len(text)}

    return work


def test_a_finished_step_is_found_again_with_its_facts(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        assert run.find("distill", KEY) is None
        made = run.make("distill", KEY, inputs={}, work=_write("hello"))
    with RunFolder(tmp_path) as run:
        found = run.find("distill", KEY)
    assert found == made
    assert found.facts == {"length": 5}
    assert (found.folder / "result.txt").read_text() == "hello"


def test_facts_are_in_the_same_order_when_made_and_when_found(tmp_path: Path) -> None:
    def work(folder: Path, _checkpoint: Path) -> dict[str, dict[str, int]]:
        (folder / "result.txt").write_text("hello")
        return {"units": {"2.second": 1, "1.first": 2}}

    with RunFolder(tmp_path) as run:
        made = run.make("prune", KEY, inputs={}, work=work)
        found = run.find("prune", KEY)
    assert found is not None
    assert list(made.facts["units"]) == list(found.facts["units"])


def test_the_files_of_a_step_are_told_with_what_was_written_down_of_them(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        step = run.make("distill", KEY, inputs={}, work=_write("hello"))
    (step.folder / "result.txt").write_text("damaged")
    assert files_of(step.folder) == {
        "result.txt": ("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", 5)
    }
    with pytest.raises(ValueError, match="is not the folder of a finished step"):
        files_of(tmp_path)


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def work(folder: Path, _checkpoint: Path) -> dict[str, int]:
        (folder / "half.txt").write_text("half")
        raise ValueError("broken")

    with RunFolder(tmp_path) as run:
        with pytest.raises(ValueError, match="broken"):
            run.make("distill", KEY, inputs={}, work=work)
        assert run.find("distill", KEY) is None
    assert [path.name for path in (tmp_path / "steps").iterdir()] == []


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest"])
def test_a_damaged_step_counts_as_absent(tmp_path: Path, damage: str) -> None:
    with RunFolder(tmp_path) as run:
        step = run.make("distill", KEY, inputs={}, work=_write("hello"))
        file = step.folder / "result.txt"
        if damage == "changed":
            file.write_text("jello")
        elif damage == "missing":
            file.unlink()
        else:
            (step.folder / "step.json").write_text('{"name": "dist')
        assert run.find("distill", KEY) is None
        again = run.make("distill", KEY, inputs={}, work=_write("hello"))
        assert run.find("distill", KEY) == again


def test_facts_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        with pytest.raises(ValueError, match="not JSON compliant"):
            run.make(
                "distill", KEY, inputs={}, work=lambda _folder, _checkpoint: {"loss": float("nan")}
            )
        assert run.find("distill", KEY) is None


def test_two_processes_do_not_share_a_run_folder(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path),
        pytest.raises(InputError, match="another run is working in this folder"),
        RunFolder(tmp_path),
    ):
        pass
    with RunFolder(tmp_path):
        pass


def test_a_file_where_the_folder_should_be_is_bad_input(tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.write_text("")
    with pytest.raises(InputError, match="cannot be used as a run folder"), RunFolder(file):
        pass


def test_a_killed_process_leaves_no_half_step_and_no_lock(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from edgedistill.store import RunFolder\n"
        "def work(folder, _checkpoint):\n"
        "    (folder / 'half.txt').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "with RunFolder(Path(sys.argv[1])) as run:\n"
        f"    run.make('distill', '{KEY}', inputs={{}}, work=work)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list((tmp_path / "steps").glob(".unfinished-*"))
    with RunFolder(tmp_path) as run:
        assert list((tmp_path / "steps").iterdir()) == []
        assert run.find("distill", KEY) is None


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    def work(_folder: Path, _checkpoint: Path) -> dict[str, int]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RunFolder(tmp_path) as run, pytest.raises(DiskFullError, match="the disk is full"):
        run.make("distill", KEY, inputs={}, work=work)
    assert list((tmp_path / "steps").iterdir()) == []


def test_write_replaces_a_file_whole(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        run.write("targets/host/report.json", b"old")
        path = run.write("targets/host/report.json", b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]


def test_the_manifest_lists_inputs_and_checksums(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        step = run.make("distill", KEY, inputs={"teacher": "cd"}, work=_write("hello"))
    manifest = json.loads((step.folder / "step.json").read_text())
    assert manifest["inputs"] == {"teacher": "cd"}
    assert manifest["files"]["result.txt"]["sha256"] == (
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # FIPS 180-4, "hello"
    )


def test_a_key_changes_with_each_thing_that_went_in() -> None:
    def key(**changes: object) -> str:
        parts = {"config": {"a": 1}, "inputs": {"b": "2"}, "code": "c", "environment": {"d": "3"}}
        return step_key("distill", **{**parts, **changes})

    keys = {
        key(),
        key(config={"a": 2}),
        key(inputs={"b": "3"}),
        key(code="d"),
        key(environment={"d": "4"}),
    }
    assert len(keys) == 5
    assert key() == key()


def test_what_a_killed_step_had_half_done_is_there_when_it_is_made_again(tmp_path: Path) -> None:
    def first(_folder: Path, checkpoint: Path) -> dict[str, int]:
        (checkpoint / "half.txt").write_text("half")
        raise KeyboardInterrupt

    def second(folder: Path, checkpoint: Path) -> dict[str, int]:
        (folder / "whole.txt").write_text((checkpoint / "half.txt").read_text() + " and half")
        return {}

    with RunFolder(tmp_path) as run, pytest.raises(KeyboardInterrupt):
        run.make("distill", KEY, inputs={}, work=first)
    with RunFolder(tmp_path) as run:
        step = run.make("distill", KEY, inputs={}, work=second)
    assert (step.folder / "whole.txt").read_text() == "half and half"
    assert [path.name for path in (tmp_path / "steps").iterdir()] == [step.folder.name]


def test_half_done_work_that_nobody_asks_for_again_is_tidied_away(tmp_path: Path) -> None:
    def half(_folder: Path, checkpoint: Path) -> dict[str, int]:
        (checkpoint / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with RunFolder(tmp_path) as run, pytest.raises(KeyboardInterrupt):
        run.make("distill", KEY, inputs={}, work=half)
    with RunFolder(tmp_path) as run:
        run.tidy()
    assert list((tmp_path / "steps").iterdir()) == []
