from __future__ import annotations

import numpy as np

from edgedistill.core.recipe import Augmentation
from edgedistill.data.augmentation import erase, move

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 9, 7, 3), dtype=np.uint8)
INDICES = np.arange(40) * 3


def shifted(picture: np.ndarray, down: int, right: int) -> np.ndarray:
    """A second implementation: pixel by pixel, what falls outside repeats the border."""
    height, width, _ = picture.shape
    rows = [min(max(row - down, 0), height - 1) for row in range(height)]
    columns = [min(max(column - right, 0), width - 1) for column in range(width)]
    return np.array([[picture[row, column] for column in columns] for row in rows])


def test_shift_moves_each_picture_within_reach() -> None:
    moved = move(PIXELS, INDICES, 1, Augmentation(views=2, shift_pixels=2))
    seen = set()
    for before, after in zip(PIXELS, moved, strict=True):
        matches = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if np.array_equal(shifted(before, down, right), after)
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) > 12
    assert moved.dtype == np.uint8


def test_flip_mirrors_about_half() -> None:
    moved = move(PIXELS, INDICES, 1, Augmentation(views=2, horizontal_flip=True))
    mirrored = [
        np.array_equal(after, before[:, ::-1]) for before, after in zip(PIXELS, moved, strict=True)
    ]
    same = [np.array_equal(after, before) for before, after in zip(PIXELS, moved, strict=True)]
    assert sum(mirrored) + sum(same) == len(PIXELS)
    assert 8 < sum(mirrored) < 32


def test_erase_blanks_one_rectangle_in_its_share_of_pictures() -> None:
    ones = np.ones((2000, 16, 16, 1), dtype=np.float32)
    erased = erase(ones, np.arange(2000), 1, Augmentation(views=2, erase=0.25))[..., 0]
    blank = erased == 0
    touched = blank.any(axis=(1, 2))
    assert abs(touched.mean() - 0.25) < 0.05
    for mask in blank[touched]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        area = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        assert mask.sum() == area
        assert area <= 0.55 * 16 * 16
    positions = blank[touched].mean(axis=0)
    assert positions.min() > 0


def test_a_view_depends_on_seed_view_and_index_alone() -> None:
    augmentation = Augmentation(views=4, shift_pixels=2, horizontal_flip=True, seed=1)
    whole = move(PIXELS, INDICES, 2, augmentation)
    some = [17, 3, 29]
    assert np.array_equal(move(PIXELS[some], INDICES[some], 2, augmentation), whole[some])
    other_seed = augmentation.model_copy(update={"seed": 2})
    assert not np.array_equal(move(PIXELS, INDICES, 2, other_seed), whole)
    assert not np.array_equal(move(PIXELS, INDICES, 3, augmentation), whole)
    assert not np.array_equal(move(PIXELS, INDICES + 1, 2, augmentation), whole)
