"""The picture part of preprocessing: decode, colour, resize, crop. Gives uint8 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from edgedistill.core.preprocessing import Preprocessing

_WIDE_MODES = ("I", "F")
"""Modes of Pillow with more than 8 bits a channel; it would cut their values off."""


class PictureError(ValueError):
    """A picture that cannot be prepared; says why."""


def declared_shape(preprocessing: Preprocessing) -> tuple[int, int, int] | None:
    """`(height, width, channels)` of every prepared picture, None where no size is declared."""
    size = preprocessing.center_crop or preprocessing.resize
    if size is None:
        return None
    return (*size, 1 if preprocessing.color == "grey" else 3)


def decode(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """One picture, prepared: uint8 `[height, width, channels]`.

    Resizing is Pillow's bilinear filter, which averages when it shrinks. The orientation that a
    camera may have noted (EXIF) is not applied.

    Raises:
        PictureError: If it has more than 8 bits a channel or is smaller than the crop.
    """
    if image.mode.startswith(_WIDE_MODES):
        raise PictureError("has more than 8 bits a channel")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    image = image.convert("L" if preprocessing.color == "grey" else "RGB")
    if preprocessing.resize is not None:
        height, width = preprocessing.resize
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return _order(crop(pixels.reshape(*pixels.shape[:2], -1), preprocessing), preprocessing)


def prepare_pixels(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Pictures that are arrays already, prepared.

    Args:
        pixels: `[batch, height, width, channels]`, one channel (grey) or three (red, green,
            blue); uint8 where resizing or a change between grey and colour is declared.
        preprocessing: What was declared.

    Raises:
        PictureError: If they are smaller than the crop.
    """
    if not needs_pillow(pixels, preprocessing):
        return _order(crop(pixels, preprocessing), preprocessing)
    squeezed = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return np.stack(
        [decode(Image.fromarray(np.ascontiguousarray(one)), preprocessing) for one in squeezed]
    )


def needs_pillow(pixels: np.ndarray, preprocessing: Preprocessing) -> bool:
    """Whether preparing these changes pixel values, not only which are kept."""
    grey = preprocessing.color == "grey"
    resized = preprocessing.resize not in (None, pixels.shape[-3:-1])
    return resized or grey != (pixels.shape[-1] == 1)


def crop(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """The middle of pictures `[..., height, width, channels]`, where a crop is declared.

    Raises:
        PictureError: If they are smaller than the crop.
    """
    if preprocessing.center_crop is None:
        return pixels
    height, width = preprocessing.center_crop
    top, left = (pixels.shape[-3] - height) // 2, (pixels.shape[-2] - width) // 2
    if top < 0 or left < 0:
        had = f"{pixels.shape[-3]} x {pixels.shape[-2]}"
        raise PictureError(f"is {had} pixels, smaller than the crop of {height} x {width}")
    return pixels[..., top : top + height, left : left + width, :]


def _order(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    return pixels[..., ::-1] if preprocessing.color == "bgr" else pixels
