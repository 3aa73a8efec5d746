"""Finite views of a picture, each a function of (seed, view, index) alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgedistill.data.draws import keys, uniform

if TYPE_CHECKING:
    from edgedistill.core.recipe import Augmentation

_DOWN, _RIGHT, _FLIP, _ERASE, _AREA, _ASPECT, _TOP, _LEFT = range(8)

_ERASED_AREA = (0.02, 0.4)
_ERASED_ASPECT = (0.3, 1 / 0.3)
"""Share of the picture and height over width of the rectangle: Zhong et al. 2020, section 4.1."""


def move(
    pixels: np.ndarray, indices: np.ndarray, view: int, augmentation: Augmentation
) -> np.ndarray:
    """Shifts and mirrors raw pictures; what a shift uncovers repeats the border.

    Args:
        pixels: `[batch, height, width, channels]`, of any type.
        indices: Which samples these are, `[batch]`.
        view: Which view to make, above 0.
        augmentation: What may be done.

    Returns:
        New pictures of the same shape and type.
    """
    key = keys(indices, augmentation.seed, view)
    reach = augmentation.shift_pixels
    if reach:
        steps = 2 * reach + 1
        down = (uniform(key, _DOWN) * steps).astype(np.int64)
        right = (uniform(key, _RIGHT) * steps).astype(np.int64)
        framed = np.pad(pixels, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(framed, pixels.shape[1:], (1, 2, 3))
        pixels = windows[np.arange(len(pixels)), down, right, 0]
    if augmentation.horizontal_flip:
        mirrored = uniform(key, _FLIP) < 0.5
        pixels = np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)
    return pixels


def erase(
    pixels: np.ndarray, indices: np.ndarray, view: int, augmentation: Augmentation
) -> np.ndarray:
    """Blanks a random rectangle (Zhong et al. 2020, arXiv 1708.04896, algorithm 1), in place.

    The rectangle becomes 0, which after normalizing is the declared mean. Where a rectangle of
    the drawn area and aspect does not fit, it is cut to the picture.

    Args:
        pixels: Normalized pictures `[batch, height, width, channels]`, float32.
        indices: Which samples these are, `[batch]`.
        view: Which view to make, above 0.
        augmentation: What may be done.

    Returns:
        The same array.
    """
    if not augmentation.erase:
        return pixels
    key = keys(indices, augmentation.seed, view)
    height, width = pixels.shape[1:3]
    area = _between(_ERASED_AREA, uniform(key, _AREA)) * height * width
    aspect = _between(_ERASED_ASPECT, uniform(key, _ASPECT))
    tall = np.clip(np.rint(np.sqrt(area * aspect)), 1, height)
    wide = np.clip(np.rint(np.sqrt(area / aspect)), 1, width)
    top = np.floor(uniform(key, _TOP) * (height - tall + 1))
    left = np.floor(uniform(key, _LEFT) * (width - wide + 1))
    inside_rows = _within(np.arange(height), top, tall)
    inside_columns = _within(np.arange(width), left, wide)
    chosen = uniform(key, _ERASE) < augmentation.erase
    mask = chosen[:, None, None] & inside_rows[:, :, None] & inside_columns[:, None, :]
    pixels[mask] = 0.0
    return pixels


def _between(bounds: tuple[float, float], share: np.ndarray) -> np.ndarray:
    low, high = bounds
    return low + (high - low) * share


def _within(positions: np.ndarray, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    first = start[:, None]
    return np.asarray((positions >= first) & (positions < first + length[:, None]))
