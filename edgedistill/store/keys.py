"""Content-addressed keys: what went into a step names the step."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOCK_BYTES = 1 << 20


def text_sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read block by block."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def code_sha256(*places: str) -> str:
    """SHA-256 over the sources of some rooms of this package.

    Args:
        places: Folders or modules below the package, for instance `stages/distill` or `errors.py`.
    """
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for place in sorted(places):
        path = package / place
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            digest.update(file.relative_to(package).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def step_key(
    name: str,
    *,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
    code: str,
    environment: Mapping[str, str],
) -> str:
    """The key of a step: equal keys mean equal results.

    Args:
        name: The step's name.
        config: The resolved configuration that the step reads, as plain JSON values.
        inputs: Role to key of each step it reads, or to the hash of outside content.
        code: Hash of the sources that do the work.
        environment: Library versions, processor class and threads that the bytes depend on.

    Raises:
        ValueError: If the configuration holds NaN or infinity.
    """
    document = {
        "name": name,
        "config": config,
        "inputs": inputs,
        "code": code,
        "environment": environment,
    }
    return text_sha256(json.dumps(document, sort_keys=True, allow_nan=False))
