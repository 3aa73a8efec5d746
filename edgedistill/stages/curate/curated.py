"""What curation found, on disk: who is learned, whose label is believed, how hard each one is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from edgedistill.core.strict import Strict
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEPT, _HIDDEN, _DIFFICULTY, _SCORES = "kept.npy", "hidden.npy", "difficulty.npy", "scores.npy"
_DOCUMENT = "curation.json"


class _Document(Strict):
    """What curation.json holds."""

    schema_version: Literal[1] = 1
    kind: Literal["edgedistill-curation"] = "edgedistill-curation"
    scores: tuple[str, ...] = Field(strict=False)
    """What the columns of scores.npy are."""
    facts: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Curated:
    """The heart of `n` training samples."""

    kept: np.ndarray
    """Which samples are learned, int64 `[k]`, rising."""
    hidden: np.ndarray
    """Whose label is not used, bool `[n]`; some of them may not be kept."""
    difficulty: np.ndarray
    """From 0 the easiest to 1 the hardest, float32 `[n]`."""


def write_curation(
    folder: Path,
    curated: Curated,
    columns: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
) -> None:
    """Writes the arrays, and what they mean into curation.json.

    Args:
        folder: Where to.
        curated: The heart.
        columns: The scores by name, float32 `[n]` each; NaN where a sample has none.
        facts: Plain JSON values.
    """
    arrays = {
        _KEPT: curated.kept,
        _HIDDEN: curated.hidden,
        _DIFFICULTY: curated.difficulty,
        _SCORES: np.stack(list(columns.values()), axis=1),
    }
    for name, array in arrays.items():
        np.save(folder / name, array, allow_pickle=False)
    document = _Document(scores=tuple(columns), facts=dict(facts)).model_dump(mode="json")
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    (folder / _DOCUMENT).write_text(text, encoding="utf-8")


def open_curation(folder: Path) -> Curated:
    """What curation found.

    Args:
        folder: Where it was written.

    Raises:
        InputError: If something is missing, damaged or does not belong together.
    """
    hidden = _array(folder / _HIDDEN, "bool")
    kept = _array(folder / _KEPT, "int64")
    difficulty = _array(folder / _DIFFICULTY, "float32")
    size = len(hidden)
    if not len(kept) or kept[0] < 0 or kept[-1] >= size or (np.diff(kept) <= 0).any():
        raise _unreadable(folder / _KEPT, f"not rising indices of {size} samples")
    if len(difficulty) != size or not ((difficulty >= 0) & (difficulty <= 1)).all():
        raise _unreadable(folder / _DIFFICULTY, f"not {size} values from 0 to 1")
    return Curated(kept, hidden, difficulty)


def open_scores(folder: Path) -> dict[str, np.ndarray]:
    """The scores by name, float32 `[n]` each.

    Raises:
        InputError: If they are missing, damaged or not what curation.json says.
    """
    path = folder / _DOCUMENT
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    names = _Document.read(given, file=path).scores
    values = _array(folder / _SCORES, "float32", axes=2)
    if values.shape[1] != len(names):
        raise _unreadable(folder / _SCORES, f"{values.shape[1]} columns, expected {len(names)}")
    return {name: values[:, place] for place, name in enumerate(names)}


def _array(path: Path, dtype: str, *, axes: int = 1) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(path, str(error)) from error
    if array.dtype != np.dtype(dtype) or array.ndim != axes:
        found = f"{array.dtype} with {array.ndim} axes, expected {dtype} with {axes}"
        raise _unreadable(path, found)
    return array


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        Fault(
            file=path,
            problem="the curation of the training samples cannot be read",
            given=found,
            remedy="Delete the folder of this step and run again; it is made anew",
        )
    )
