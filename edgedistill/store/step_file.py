"""What a finished step says of itself, in a file of its folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgedistill.store.keys import file_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STEP_FILE = "step.json"


def facts_of(folder: Path) -> Mapping[str, Any]:
    """The facts of a finished step, by its folder."""
    manifest = read_step_file(folder)
    if manifest is None:
        raise ValueError(f"{folder} is not the folder of a finished step")
    facts: Mapping[str, Any] = manifest["facts"]
    return facts


def files_of(folder: Path) -> Mapping[str, tuple[str, int]]:
    """The files of a finished step, by its folder: name to SHA-256 and size in bytes.

    They are what was written down when the step was made; `step.json` itself is not among them.
    """
    manifest = read_step_file(folder)
    if manifest is None:
        raise ValueError(f"{folder} is not the folder of a finished step")
    return {
        name: (stored["sha256"], stored["size_bytes"])
        for name, stored in sorted(manifest["files"].items())
    }


def write_step_file(
    folder: Path, *, name: str, key: str, inputs: Mapping[str, str], facts: Mapping[str, Any]
) -> None:
    """Writes down what a step is and which files it has, in its folder."""
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": file_sha256(path),
            "size_bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {
        "schema_version": 1,
        "name": name,
        "key": key,
        "inputs": dict(inputs),
        "files": files,
        "facts": facts,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False)
    (folder / STEP_FILE).write_text(text + "\n", encoding="utf-8")


def read_step_file(folder: Path) -> dict[str, Any] | None:
    """What a step's folder says of itself; None where it is not that of a finished step."""
    path = folder / STEP_FILE
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None  # a damaged manifest: the step is made again
    known = isinstance(manifest, dict) and {"key", "files", "facts"} <= manifest.keys()
    return manifest if known else None


def files_match(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether every file is there as it was written down."""
    for name, stored in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != stored["size_bytes"]:
            return False
        if file_sha256(path) != stored["sha256"]:
            return False
    return True
