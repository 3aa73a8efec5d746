"""What becomes of a picture, as options that several commands share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


def _size(context: click.Context, option: click.Parameter, text: str | None) -> Any:
    """HxW as [height, width]; one number for both."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if found is None:
        raise click.BadParameter(f"'{text}' is not HEIGHTxWIDTH", context, option)
    return [int(found[1]), int(found[2] or found[1])]


def _number(text: str) -> float:
    """A number or a quotient of two, for instance 1/255."""
    above, slash, below = text.partition("/")
    return float(above) / float(below) if slash else float(above)


def _numbers(context: click.Context, option: click.Parameter, text: str | None) -> Any:
    """Numbers with commas between them."""
    if text is None:
        return None
    try:
        return [_number(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError) as error:
        problem = f"'{text}' is not a number, or numbers with commas between them"
        raise click.BadParameter(problem, context, option) from error


def _factor(context: click.Context, option: click.Parameter, text: str | None) -> Any:
    numbers = _numbers(context, option, text)
    if numbers is not None and len(numbers) != 1:
        raise click.BadParameter(f"'{text}' is not one number", context, option)
    return None if numbers is None else numbers[0]


def picture_options(command: Callable[..., None]) -> Callable[..., None]:
    """What becomes of a picture: (pixel * scale - mean) / std."""
    for option in reversed(
        (
            click.option("--size", callback=_size, metavar="HxW", help="What the model takes."),
            click.option(
                "--resize",
                callback=_size,
                metavar="HxW",
                help="Resize to this first, then cut --size from the middle; else resize to "
                "--size.",
            ),
            click.option(
                "--channels", type=click.Choice(["rgb", "bgr", "gray"]), help="Order of colours."
            ),
            click.option(
                "--scale",
                "--rescale",
                callback=_factor,
                metavar="NUMBER",
                help="Factor on a pixel from 0 to 255, for instance 1/255.",
            ),
            click.option(
                "--mean",
                callback=_numbers,
                metavar="M[,M,M]",
                help="Subtracted after scaling; one number or one per channel.",
            ),
            click.option(
                "--std",
                callback=_numbers,
                metavar="S[,S,S]",
                help="Divided by after that; one number or one per channel.",
            ),
            click.option("--layout", type=click.Choice(["nchw", "nhwc"]), help="Order of axes."),
        )
    ):
        command = option(command)
    return command


def taken_preprocessing(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the options of `picture_options` out of all, as keys of a preprocessing."""
    keys = ("scale", "mean", "std", "layout")
    preprocessing = {key: options.pop(key) for key in keys}
    size, resize, channels = (options.pop(key) for key in ("size", "resize", "channels"))
    preprocessing["color"] = "grey" if channels == "gray" else channels
    preprocessing["resize"] = resize or size
    preprocessing["center_crop"] = size if resize else None
    return {key: value for key, value in preprocessing.items() if value is not None}
