from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.errors import InputError
from edgedistill.stages.curate.curated import (
    Curated,
    open_curation,
    open_scores,
    write_curation,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CURATED = Curated(
    kept=np.array([0, 2]),
    hidden=np.array([True, False, False]),
    difficulty=np.array([0.5, 1.0, 0.0], np.float32),
)
COLUMNS = {
    "confidence": np.array([0.5, 0.25, 1.0], np.float32),
    "label_probability": np.array([0.5, np.nan, 1.0], np.float32),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_curation(tmp_path, CURATED, COLUMNS, {"kept": 2})
    return tmp_path


def test_what_is_written_reads_back(folder: Path) -> None:
    found = open_curation(folder)
    for name in ("kept", "hidden", "difficulty"):
        expected = getattr(CURATED, name)
        np.testing.assert_array_equal(getattr(found, name), expected, strict=True)
    scores = open_scores(folder)
    assert list(scores) == list(COLUMNS)
    for name, column in COLUMNS.items():
        np.testing.assert_array_equal(scores[name], column, strict=True)


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def _saved(array: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.save(path, array, allow_pickle=False)


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("kept.npy", lambda path: path.unlink(), "No such file"),
        ("kept.npy", _cut_short, r"kept\.npy.*cannot be read"),
        ("kept.npy", lambda path: path.write_bytes(b""), r"kept\.npy.*cannot be read"),
        ("kept.npy", lambda path: path.write_bytes(b"{}"), r"kept\.npy.*cannot be read"),
        ("kept.npy", _saved(np.array([0, 3])), "not rising indices of 3 samples"),
        ("kept.npy", _saved(np.array([-1, 2])), "not rising indices"),
        ("kept.npy", _saved(np.array([2, 2])), "not rising indices"),
        ("kept.npy", _saved(np.array([], np.int64)), "not rising indices"),
        ("kept.npy", _saved(np.array([0.0, 1.0])), "float64 with 1 axes, expected int64"),
        ("hidden.npy", _saved(np.zeros((3, 1), bool)), "bool with 2 axes, expected bool with 1"),
        ("difficulty.npy", _saved(np.zeros(2, np.float32)), "not 3 values from 0 to 1"),
        (
            "difficulty.npy",
            _saved(np.array([0, np.nan, 1], np.float32)),
            "not 3 values from 0 to 1",
        ),
    ],
)
def test_a_damaged_curation_is_refused(
    folder: Path, name: str, damage: Callable[[Path], None], words: str
) -> None:
    damage(folder / name)
    with pytest.raises(InputError, match=words) as caught:
        open_curation(folder)
    assert caught.value.faults[0].file == folder / name
    assert "run again" in caught.value.faults[0].remedy


@pytest.mark.parametrize("text", ["", "{}", '{"scores": ["confidence"], "facts": {}}'])
def test_scores_that_are_not_what_the_document_says_are_refused(folder: Path, text: str) -> None:
    (folder / "curation.json").write_text(text)
    with pytest.raises(InputError, match=r"curation\.json|2 columns, expected 1"):
        open_scores(folder)
