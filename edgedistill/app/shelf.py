"""The folder of one target, with a list of what was put there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgedistill.core.manifest import ManifestFile

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.manifest import FileRole
    from edgedistill.store import RunFolder


@dataclass(frozen=True)
class Shelf:
    """Puts files beside a report and knows the hash of each."""

    run: RunFolder
    folder: str
    """Below the run folder."""
    _listed: dict[str, ManifestFile] = field(default_factory=dict)

    @property
    def files(self) -> tuple[ManifestFile, ...]:
        """What was put there, in that order; several students share the teacher's file."""
        return tuple(self._listed.values())

    def put(self, name: str, content: bytes, role: FileRole | None = None) -> Path:
        """Writes a file whole or not at all.

        Args:
            name: Below the target's folder.
            content: The bytes.
            role: What the file is for; None for the list of the files itself.
        """
        if role is not None:
            self._listed[name] = listed_file(name, content, role)
        return self.run.write(f"{self.folder}/{name}", content)


def listed_file(name: str, content: bytes, role: FileRole) -> ManifestFile:
    """A file as the manifest lists it."""
    digest = hashlib.sha256(content).hexdigest()
    return ManifestFile(path=name, sha256=digest, size_bytes=len(content), role=role)
