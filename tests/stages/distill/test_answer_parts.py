from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.stages.distill.answer_parts import Part, PartFolder, cut

if TYPE_CHECKING:
    from pathlib import Path

PART = Part(number=3, view=0, start=0, stop=4, batch_size=3, size_bytes=8)


@given(st.integers(1, 4), st.integers(1, 5000), st.integers(1, 300), st.integers(1, 300_000))
def test_parts_cover_each_answer_once_in_the_order_of_the_file(
    views: int, samples: int, batch_size: int, row_bytes: int
) -> None:
    parts = cut(views=views, samples=samples, batch_size=batch_size, row_bytes=row_bytes)
    rows = [(part.view, row) for part in parts for row in range(part.start, part.stop)]
    assert rows == [(view, row) for view in range(views) for row in range(samples)]
    assert [part.number for part in parts] == list(range(len(parts)))
    for part in parts:
        assert part.start % batch_size == 0
        assert [len(batch) for batch in part.batches()[:-1]] == [batch_size] * (
            (part.stop - part.start - 1) // batch_size
        )
        np.testing.assert_array_equal(
            np.concatenate(part.batches()), np.arange(part.start, part.stop)
        )
        assert part.size_bytes == (part.stop - part.start) * row_bytes
        assert part.size_bytes <= max(8_000_000, batch_size * row_bytes)


def test_a_part_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = PartFolder(tmp_path)
    assert folder.read(PART) is None
    folder.write(PART, b"8 bytes.")
    assert folder.read(PART) == b"8 bytes."
    assert [path.name for path in tmp_path.iterdir()] == ["part-000003"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: stored[:-1],
        lambda stored: stored + b"x",
        lambda stored: stored[:-1] + b"x",
        lambda stored: b"x" + stored[1:],
        lambda stored: b"",
    ],
)
def test_a_damaged_part_is_as_none(tmp_path: Path, damage: object) -> None:
    folder = PartFolder(tmp_path)
    folder.write(PART, b"8 bytes.")
    path = tmp_path / "part-000003"
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    assert folder.read(PART) is None


def test_a_part_of_answers_kept_otherwise_is_as_none(tmp_path: Path) -> None:
    folder = PartFolder(tmp_path)
    folder.write(PART, b"8 bytes and more")
    assert folder.read(PART) is None
