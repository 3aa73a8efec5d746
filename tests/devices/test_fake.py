from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill.devices.fake import FakeTransport, Reply
from edgedistill.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def shout(arguments: Sequence[str], files: Mapping[str, bytes]) -> Reply:
    if arguments[-1] not in files:
        return Reply(exit_code=1, stderr="no such file")
    return Reply(lines=["one", "two"], files={"out": files[arguments[-1]].upper()})


def test_it_does_as_the_script_says(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"hello")
    heard: list[str] = []
    with FakeTransport(shout) as fake:
        fake.put(tmp_path / "in", "in")
        fake.run([*fake.python, "in"], on_line=heard.append, timeout_s=1.0)
        fake.get("out", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"HELLO"
    assert heard == ["one", "two"]
    assert fake.runs == [("python", "in")]
    assert fake.files == {}


def test_it_fails_as_a_device_does(tmp_path: Path) -> None:
    with FakeTransport(shout) as fake:
        with pytest.raises(DeviceError, match="no such file"):
            fake.run(["in"], on_line=print, timeout_s=1.0)
        with pytest.raises(DeviceError, match="no file out"):
            fake.get("out", tmp_path / "out")
    with pytest.raises(DeviceError, match="outside of its `with` block"):
        fake.put(tmp_path, "in")
