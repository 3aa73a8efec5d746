from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.data.pictures import PictureError, declared_shape, decode, prepare_pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)


def declared(**changes: object) -> Preprocessing:
    return Preprocessing.model_validate(
        {"kind": "image", "color": "rgb", "layout": "nchw", **changes}
    )


def test_colour_orders() -> None:
    image = Image.fromarray(PIXELS)
    assert np.array_equal(decode(image, declared()), PIXELS)
    assert np.array_equal(decode(image, declared(color="bgr")), PIXELS[..., [2, 1, 0]])
    grey = decode(image, declared(color="grey"))
    luma = PIXELS @ np.array([0.299, 0.587, 0.114])  # ITU-R 601-2
    assert grey.shape == (8, 6, 1)
    assert np.abs(grey[..., 0] - luma).max() <= 1


def test_halving_averages_with_the_triangle_filter() -> None:
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8)[:, None, None], (1, 16, 3))
    small = decode(Image.fromarray(ramp), declared(resize=[8, 8]))
    # a triangle filter keeps a linear ramp: pixel k stands in the middle of 2k and 2k + 1
    assert np.array_equal(small[1:-1, 4, 0], np.arange(5, 160, 20)[1:-1])


def test_crop_is_the_middle() -> None:
    cropped = decode(Image.fromarray(PIXELS), declared(center_crop=[4, 4]))
    assert np.array_equal(cropped, PIXELS[2:6, 1:5])


def test_resize_comes_before_crop() -> None:
    preprocessing = declared(resize=[16, 12], center_crop=[10, 8])
    prepared = decode(Image.fromarray(PIXELS), preprocessing)
    assert prepared.shape == (10, 8, 3) == declared_shape(preprocessing)


def test_a_crop_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(PictureError, match="is 8 x 6 pixels, smaller than the crop of 9 x 4"):
        decode(Image.fromarray(PIXELS), declared(center_crop=[9, 4]))


def test_sixteen_bits_are_refused_not_cut_off() -> None:
    deep = Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16))
    with pytest.raises(PictureError, match="more than 8 bits"):
        decode(deep, declared(color="grey"))


def test_transparency_and_palettes_become_plain_colours() -> None:
    image = Image.fromarray(PIXELS)
    with_alpha = image.copy()
    with_alpha.putalpha(128)
    assert np.array_equal(decode(with_alpha, declared()), PIXELS)
    palette = image.quantize(16)
    assert np.array_equal(decode(palette, declared()), np.asarray(palette.convert("RGB")))


def test_arrays_are_prepared_like_files() -> None:
    batch = np.stack([PIXELS, PIXELS[::-1]])
    for preprocessing in (
        declared(color="bgr", center_crop=[4, 4]),
        declared(color="grey", resize=[4, 3]),
        declared(color="bgr", resize=[5, 5], center_crop=[3, 3]),
    ):
        expected = [decode(Image.fromarray(one), preprocessing) for one in batch]
        assert np.array_equal(prepare_pixels(batch, preprocessing), expected)


def test_grey_arrays_become_colour_where_declared() -> None:
    grey = PIXELS[None, ..., :1]
    assert np.array_equal(prepare_pixels(grey, declared()), np.repeat(grey, 3, axis=-1))
