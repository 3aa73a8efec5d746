"""The files that a recipe names: they stand outside of the run, so their hashes are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill import models
from edgedistill.core.manifest import GivenFile
from edgedistill.core.teacher import ENDPOINT
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from edgedistill.core.recipe import Recipe

_NO_BASE = Path()
"""Paths in a resolved recipe are absolute."""


def given_files(recipe: Recipe) -> tuple[GivenFile, ...]:
    """Weights, models and code that a resolved recipe names, as they are now.

    Samples are not among them: the data has a hash of its own, over what was read.

    Raises:
        InputError: If a file is absent.
    """
    found: list[GivenFile] = []
    if recipe.teacher.source != ENDPOINT:
        files = models.source_files(recipe.teacher, base=_NO_BASE, field="teacher")
        found += [_given(file, "teacher") for file in files]
    for student in recipe.students:
        files = models.source_files(student, base=_NO_BASE)
        found += [_given(file, "student") for file in files]
    kind, _, rest = recipe.data.source.partition(":")
    if kind == "python":
        found.append(_given(Path(rest.rpartition(":")[0]), "data"))
    tokenizer = recipe.data.preprocessing and recipe.data.preprocessing.tokenizer
    if tokenizer:
        found.append(_given(Path(tokenizer), "data"))
    return tuple(dict.fromkeys(found))


def _given(file: Path, role: str) -> GivenFile:
    return GivenFile(
        name=file.name, sha256=file_sha256(file), size_bytes=file.stat().st_size, role=role
    )
