"""How pictures become inputs of a model that somebody brought: declared or asked for.

What the caller says comes first, then what the model's metadata says. What neither says is bad
input: a wrong guess would calibrate on values that the model never sees, and nobody would notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.core.strict import plain
from edgedistill.errors import Fault, InputError
from edgedistill.stages.export.contract import read_preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.core.quantized import ModelInput

Origin = Literal["given", "model", "given over model"]

_FLAGS = {
    "resize": ("size", "--size HxW, the height and width that the model takes"),
    "color": ("color", "--channels rgb, bgr or gray"),
    "scale": ("scale", "--scale 1/255, or 1 where the model takes pixels from 0 to 255"),
    "mean": ("mean", "--mean with one number for each channel, or 0"),
    "std": ("std", "--std with one number for each channel, or 1"),
    "layout": ("layout", "--layout nchw or nhwc"),
}
"""Key of a preprocessing to what it is called in an error, and how to give it."""


def picture_preprocessing(
    model: Path, given: Mapping[str, Any], *, whole: bool = False
) -> tuple[Preprocessing, Origin]:
    """What is done to a picture, and who said so.

    Args:
        model: The ONNX file, whose metadata may declare it.
        given: Keys of a preprocessing that the caller declares.
        whole: Whether these are all, so that the model is not asked.

    Raises:
        InputError: If a key is declared nowhere, naming the flag for each.
    """
    if whole and given["kind"] == "image":
        return Preprocessing.read(given, file="preprocessing"), "given"
    declared = read_preprocessing(model)
    if declared is not None and declared.kind != "image":
        if not given:
            raise InputError(
                Fault(
                    file=model,
                    field=METADATA_KEY,
                    given=declared.kind,
                    problem="the model declares that it takes no pictures",
                    remedy="Give arrays as .npy or .npz files, or say how a picture becomes an "
                    "input: " + "; ".join(flag for _, flag in _FLAGS.values()),
                )
            )
        declared = None
    base = {} if declared is None else plain(declared)
    if {"resize", "center_crop"} & set(given):
        base |= {"resize": None, "center_crop": None}
    keys = {"kind": "image", **base, **given}
    faults = [
        Fault(
            file=model,
            field=name,
            problem="is declared nowhere, and a picture cannot become an input without it",
            remedy=f"Give {flag}",
        )
        for key, (name, flag) in _FLAGS.items()
        if keys.get(key) is None and not (key == "resize" and _has_size(keys, declared))
    ]
    if faults:
        raise InputError(*faults)
    origin: Origin = "model" if not given else "given" if declared is None else "given over model"
    return Preprocessing.read(keys, file="preprocessing"), origin


def _has_size(keys: Mapping[str, Any], declared: Preprocessing | None) -> bool:
    """Whether the size is declared; a model may declare that pictures come in its own."""
    return bool(keys.get("center_crop")) or declared is not None


def require_picture_input(
    model: Path,
    inputs: tuple[ModelInput, ...],
    preprocessing: Preprocessing,
    pixels: tuple[int, ...],
) -> None:
    """Refuses a model that cannot take what becomes of a picture.

    Args:
        model: For errors.
        inputs: What it takes.
        preprocessing: What is done to a picture.
        pixels: `(height, width, channels)` of a prepared picture.

    Raises:
        InputError: If it takes whole numbers that a picture is not, or another shape.
    """
    (one,) = inputs
    untouched = (preprocessing.scale, set(preprocessing.mean), set(preprocessing.std))
    takes_pixels = one.dtype == "uint8" and untouched == (1.0, {0.0}, {1.0})
    if not one.dtype.startswith("float") and not takes_pixels:
        raise InputError(
            Fault(
                file=model,
                field=one.name,
                given=one.written(),
                problem="takes no real numbers, as pictures become by this preprocessing",
                remedy="Give what it takes as .npy files; an input of uint8 takes pixels with "
                "--scale 1 --mean 0 --std 1",
            )
        )
    height, width, channels = pixels
    nchw = preprocessing.layout == "nchw"
    shape = (channels, height, width) if nchw else (height, width, channels)
    if not one.fits(shape):
        raise InputError(
            Fault(
                file=model,
                field=one.name,
                given=f"pictures as {list(shape)}, {preprocessing.layout}, {preprocessing.color}",
                problem=f"the model takes {one.written()}",
                remedy="Change --size, --layout or --channels",
            )
        )
    wrong = [
        Fault(
            file=model,
            field=name,
            given=str(list(values)),
            problem=f"has {len(values)} values, but pictures have {channels} channels",
            remedy=f"Give --{name} one value, or one per channel",
        )
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std))
        if len(values) not in (1, channels)
    ]
    if wrong:
        raise InputError(*wrong)


def several_inputs(model: Path, inputs: int) -> Fault:
    """That pictures cannot be what a model with several inputs takes."""
    return Fault(
        file=model,
        given=f"{inputs} inputs",
        problem="has several inputs, and pictures are one",
        remedy="Give .npz files with one array for each input, under its name",
    )
