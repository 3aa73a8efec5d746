"""What a transformers folder says of its pixels, held against what the data does."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing


def require_preprocessing(folder: Path, expected: Preprocessing, *, field: str) -> None:
    """Refuses a model whose preprocessor_config.json scales pixels otherwise than the data.

    Sizes are not compared: the network itself refuses a size that it cannot take.

    Raises:
        InputError: If what a black or a white pixel becomes differs between the two.
    """
    file = folder / "preprocessor_config.json"
    if expected.kind != "image" or not file.is_file():
        return
    try:
        declared = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        problem = f"is not JSON: {error}"
        raise InputError(Fault(file=file, problem=problem, remedy="Copy it again")) from error
    scale = declared.get("rescale_factor", 1 / 255) if declared.get("do_rescale", True) else 1.0
    normalized = declared.get("do_normalize", True)
    mean = declared.get("image_mean", 0.0) if normalized else 0.0
    std = declared.get("image_std", 1.0) if normalized else 1.0
    theirs = _black_and_white(scale, _tuple(mean), _tuple(std))
    ours = _black_and_white(expected.scale, expected.mean, expected.std)
    if _close(theirs, ours):
        return
    raise InputError(
        Fault(
            file=file,
            field="data.preprocessing",
            given=f"scale {expected.scale}, mean {list(expected.mean)}, std {list(expected.std)}",
            problem=f"{field}'s weights were made for another preprocessing",
            remedy=f"Set scale: {scale}, mean: {list(_tuple(mean))}, std: {list(_tuple(std))}",
        )
    )


def _tuple(value: float | list[float]) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _black_and_white(
    scale: float, mean: tuple[float, ...], std: tuple[float, ...]
) -> list[tuple[float, float]]:
    """What the pixel values 0 and 255 become, per channel."""
    channels = max(len(mean), len(std))
    means, stds = mean * (channels // len(mean)), std * (channels // len(std))
    return [((0 - m) / s, (255 * scale - m) / s) for m, s in zip(means, stds, strict=True)]


def _close(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> bool:
    channels = max(len(ours), len(theirs))
    if {len(ours), len(theirs)} - {1, channels}:
        return False
    pairs = zip(ours * (channels // len(ours)), theirs * (channels // len(theirs)), strict=True)
    return all(
        math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-3)
        for one, other in pairs
        for a, b in zip(one, other, strict=True)
    )
