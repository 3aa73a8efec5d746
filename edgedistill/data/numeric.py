"""The numeric part of preprocessing: from raw values to what the network takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgedistill.errors import Fault

if TYPE_CHECKING:
    from edgedistill.core.preprocessing import Preprocessing


def normalize(values: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """`(value * scale - mean) / std` over the last axis, in float32, as a new array.

    Args:
        values: Raw values `[batch, ...]`; the last axis of a picture is its channels.
        preprocessing: What was declared; inputs of the caller's own code stay as they are.
    """
    numbers = values.astype(np.float32)
    if preprocessing.kind == "caller":
        return numbers
    if preprocessing.scale != 1.0:
        numbers *= np.float32(preprocessing.scale)
    if any(preprocessing.mean):
        numbers -= np.array(preprocessing.mean, dtype=np.float32)
    if preprocessing.std != (1.0,):
        numbers /= np.array(preprocessing.std, dtype=np.float32)
    return numbers


def arrange(numbers: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """The axes in the network's order, contiguous: channels first for nchw."""
    if preprocessing.layout == "nchw":
        numbers = np.moveaxis(numbers, -1, 1)
    return np.ascontiguousarray(numbers)


def shape_faults(
    shape: tuple[int, ...], preprocessing: Preprocessing, *, augmented: bool
) -> list[Fault]:
    """What in the declaration does not fit samples of this shape (without the batch axis)."""
    faults = []
    channels = shape[-1] if shape else 1
    for field, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
        if preprocessing.kind != "caller" and len(values) not in (1, channels):
            faults.append(
                Fault(
                    field=f"data.preprocessing.{field}",
                    given=str(list(values)),
                    problem=f"has {len(values)} values, but samples have {channels} channels",
                    remedy="Give one value, or one per channel",
                )
            )
    if preprocessing.layout != "as-is" and len(shape) != 3:
        faults.append(
            Fault(
                field="data.preprocessing.layout",
                given=preprocessing.layout,
                problem=f"is for pictures, but samples have the shape {shape}",
                remedy="Set layout: as-is, or give samples [height, width, channels]",
            )
        )
    if augmented and preprocessing.kind != "image":
        faults.append(
            Fault(
                field="data.augmentation",
                problem=f"is for pictures, but preprocessing.kind is {preprocessing.kind}",
                remedy="Declare kind: image, or leave augmentation out",
            )
        )
    return faults
