"""The journal: every reply is on disk before the next step depends on it, so none is paid twice."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Self

from edgedistill.stages.respond.reply import from_plain, to_plain
from edgedistill.store import text_sha256

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from edgedistill.stages.respond.reply import Reply
    from edgedistill.stages.respond.request import Request

_NAME = "journal.jsonl"


class Journal:
    """Replies, one JSON line each, in the order they came; a context manager.

    Only appended to. A line is flushed to the disk before `add` returns, so a kill can tear the
    last one only, and that one is cut off. Where replies lie is kept in memory, not what they say.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._places: dict[tuple[int, str], tuple[int, int]] = {}

    def __enter__(self) -> Self:
        self._file = self._path.open("a+b")
        self._file.truncate(self._find_lines())
        _flush_folder(self._path.parent)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, request: Request) -> bool:
        return (request.first, request.sha256) in self._places

    def add(self, request: Request, reply: Reply) -> None:
        """Writes a reply to the disk."""
        entry = {"prompt": request.first, "request": request.sha256, "reply": to_plain(reply)}
        text = json.dumps(entry, allow_nan=False)
        line = f'{{"sha256": "{text_sha256(text)}", "entry": {text}}}\n'.encode()
        start = self._file.seek(0, os.SEEK_END)
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._places[request.first, request.sha256] = (start, len(line))

    def reply(self, request: Request) -> Reply:
        """The reply to a request, read from the disk.

        Raises:
            KeyError: If there is none.
        """
        start, length = self._places[request.first, request.sha256]
        self._file.seek(start)
        document = json.loads(self._file.read(length))
        return from_plain(document["entry"]["reply"])

    def remove(self) -> None:
        """Removes the journal, once what it holds is elsewhere."""
        self._path.unlink()

    def _find_lines(self) -> int:
        """Notes each sound line; gives the end of the last whole one.

        A line that a disk has damaged is passed over: its request is sent again.
        """
        end = self._file.seek(0)
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            entry = _entry(line)
            if entry is not None:
                self._places[entry["prompt"], entry["request"]] = (end, len(line))
            end += len(line)
        return end


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a line holds; None if it is not what was written."""
    try:
        document = json.loads(line)
        entry: dict[str, Any] = document["entry"]
        return entry if text_sha256(json.dumps(entry)) == document["sha256"] else None
    except (ValueError, KeyError, TypeError):
        return None


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
