"""A sample as a person can look at it: picture, text, sound or curve, small enough for a page."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from edgedistill.core.damage import Picture, Signal, Text
from edgedistill.data.sound import sound_of

if TYPE_CHECKING:
    from edgedistill.core.damage import Content
    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.data.dataset import Dataset, Split
    from edgedistill.data.prepared import SplitName

LONGEST_EDGE_PIXELS = 96
MOST_CHARACTERS = 400
MOST_CHANNELS = 8
MOST_VALUES = 256
"""Of one channel."""

_DIGITS = 5
"""Significant digits of a value that is only drawn."""
_LOOKED_AT = 32
"""How many pictures of a split tell which value is white."""
_FLATTEST = 8
"""A grid of numbers longer than this many times its width is no picture."""


def show_sample(
    dataset: Dataset, split_name: SplitName, index: int, *, sample_rate_hz: int | None = None
) -> Content | None:
    """One prepared sample as a person can look at it; the same bytes each time.

    A picture is what was left of it after resizing and cropping, never enlarged. Numbers are drawn
    as curves, a channel each; grids of numbers with more than 8 rows and columns (a spectrogram,
    pixels from the caller's own code) are drawn as pictures, from their least to their greatest
    value. Numbers are a sound only where a sample rate says so.

    Args:
        dataset: Prepared data.
        split_name: One of its splits.
        index: The sample's place in the split.
        sample_rate_hz: Of samples that are waveforms; None for others.

    Returns:
        None where there is nothing to see: token numbers without their text, or values that are
        not finite.

    Raises:
        IndexError: If the split has no such sample.
        ValueError: If the data set has no such split.
    """
    split = _split(dataset, split_name)
    if not 0 <= index < len(split):
        raise IndexError(f"there is no sample {index}: {split_name} has {len(split)}")
    return show(split, index, sample_rate_hz=sample_rate_hz)


def show(split: Split, index: int, *, sample_rate_hz: int | None = None) -> Content | None:
    """One sample of a split, as `show_sample`.

    Raises:
        IndexError: If the split has no such sample.
    """
    if not 0 <= index < len(split):
        raise IndexError(f"there is no sample {index}: there are {len(split)}")
    if split.texts is not None:
        return _text(split.texts[index])
    if sample_rate_hz is not None:
        heard = (sound_of(np.asarray(raw[index]), sample_rate_hz) for raw in split.inputs.values())
        sound = next((one for one in heard if one is not None), None)
        if sound is not None:
            return sound
    shown = (_show(raw, index, split.preprocessing) for _, raw in _by_dimensions(split))
    return next((content for content in shown if content is not None), None)


def _split(dataset: Dataset, name: SplitName) -> Split:
    splits = {
        "train": dataset.train,
        "validation": dataset.validation,
        "test": dataset.test,
        "calibration": dataset.calibration,
    }
    split = splits.get(name)
    if split is None:
        raise ValueError(f"the data set has no split '{name}'")
    return split


def _by_dimensions(split: Split) -> list[tuple[str, np.ndarray]]:
    """The inputs, those of most dimensions first: a picture before the numbers beside it."""
    return sorted(split.inputs.items(), key=lambda named: (-named[1].ndim, named[0]))


def _show(raw: np.ndarray, index: int, preprocessing: Preprocessing) -> Content | None:
    values = np.asarray(raw[index])
    if values.dtype.kind == "i" or not values.size or not np.isfinite(values).all():
        return None
    if preprocessing.kind == "image":
        black, white = _pixel_range(raw, values, preprocessing)
        order: Literal[-1, 1] = -1 if preprocessing.color == "bgr" else 1
        return _picture(values[..., ::order], black, white)
    grid = _grid(values)
    if grid is not None:
        return _picture(grid, float(grid.min()), float(grid.max()))
    return _signal(_channels(values, preprocessing))


def _text(text: str) -> Text:
    cut = len(text) > MOST_CHARACTERS
    return Text(text=text[:MOST_CHARACTERS], cut=cut)


def _pixel_range(
    raw: np.ndarray, values: np.ndarray, preprocessing: Preprocessing
) -> tuple[float, float]:
    """Which stored values are black and white: `(black, white)`.

    No source says so. Of 1/scale (preprocessing often maps white to 1), 1 and 255, white is the
    first that no pixel seen exceeds; pixels outside of all these are stretched.
    """
    step = max(1, len(raw) // _LOOKED_AT)
    seen = np.asarray(raw[::step][:_LOOKED_AT])
    least = min(float(seen.min()), float(values.min()))
    most = max(float(seen.max()), float(values.max()))
    # a scale of 0.0039216 means 255, too
    usual = (round(1 / preprocessing.scale, 2), 1.0, 255.0)
    white = next((one for one in usual if most <= one), None)
    if values.dtype == np.uint8 and (white is None or white > 255):
        white = 255.0
    if least < 0 or white is None or not np.isfinite(white):
        return least, most
    return 0.0, white


def _picture(values: np.ndarray, black: float, white: float) -> Picture:
    """A thumbnail of `[height, width, channels]` with one channel (grey) or three."""
    if values.dtype == np.uint8 and (black, white) == (0.0, 255.0):
        pixels = np.ascontiguousarray(values)
    else:
        spread = white - black if white > black else 1.0
        bright = (values.astype(np.float64) - black) / spread
        pixels = np.rint(np.clip(bright, 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((LONGEST_EDGE_PIXELS, LONGEST_EDGE_PIXELS), Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=9)
    return Picture(
        width=image.width,
        height=image.height,
        png_base64=base64.b64encode(stream.getvalue()).decode("ascii"),
    )


def _grid(values: np.ndarray) -> np.ndarray | None:
    """Numbers as `[height, width, 1 or 3]` where they make a picture, else None."""
    if values.ndim == 3 and values.shape[0] in (1, 3) and values.shape[-1] not in (1, 3):
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] not in (1, 3):
        return None
    short, long = sorted(values.shape[:2])
    return values if short > MOST_CHANNELS and long <= _FLATTEST * short else None


def _channels(values: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Numbers as `[channels, values]`.

    Channels are the last axis where the preprocessing has a mean or deviation for each, else the
    shorter axis of two; of more axes the shortest.
    """
    if values.ndim < 2:
        return values.reshape(1, -1)
    named = max(len(preprocessing.mean), len(preprocessing.std)) > 1
    axis = values.ndim - 1 if named else int(np.argmin(values.shape))
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def _signal(channels: np.ndarray) -> Signal:
    kept = channels[:MOST_CHANNELS]
    drawn = [_thinned(channel) for channel in kept]
    return Signal(
        channels=tuple(tuple(float(f"{value:.{_DIGITS}g}") for value in one) for one in drawn),
        thinned=len(kept) < len(channels) or channels.shape[1] > MOST_VALUES,
    )


def _thinned(channel: np.ndarray) -> np.ndarray:
    """At most 256 values: of 128 equal stretches the least and the greatest, in their order.

    So a peak of one value stays, which every k-th value would lose.
    """
    if len(channel) <= MOST_VALUES:
        return channel
    stretches = np.array_split(np.arange(len(channel)), MOST_VALUES // 2)
    kept = [
        sorted({int(one[channel[one].argmin()]), int(one[channel[one].argmax()])})
        for one in stretches
    ]
    return channel[np.concatenate(kept)]
