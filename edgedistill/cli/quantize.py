"""`edgedistill quantize`: an ONNX file and unlabelled samples, no recipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from edgedistill.cli.picture_options import picture_options, taken_preprocessing

_METHODS = (
    "min-max",
    "moving-average",
    "exponential-average",
    "percentile",
    "entropy",
    "mean-squared-error",
)


def _shapes(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> Any:
    """NAME=1x3x224x224 as name and sizes."""
    found = {}
    for text in texts:
        name, _, shape = text.rpartition("=")
        if not name or re.fullmatch(r"\d+(x\d+)*", shape) is None:
            raise click.BadParameter(f"'{text}' is not NAME=1x3x224x224", context, option)
        found[name] = [int(axis) for axis in shape.split("x")]
    return found


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder of pictures, .npy or .npz files, or one such file; no labels.",
)
@click.option("--target", default="host", show_default=True, metavar="NAME", help="The device.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; else MODEL.TARGET.")
@picture_options
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    callback=_shapes,
    metavar="NAME=1x3x224x224",
    help="Fix the sizes of an input that the model leaves open.",
)
@click.option(
    "--samples",
    default=256,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many calibrate at most.",
)
@click.option(
    "--judging-samples",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many others judge at most.",
)
@click.option(
    "--min-agreement",
    default=0.99,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="What agrees less with the float model does not ship.",
)
@click.option(
    "--max-relative-error",
    type=float,
    metavar="NUMBER",
    help="What is further from the float outputs does not ship: root mean square of the "
    "difference over that of their spread, for instance 0.01.",
)
@click.option("--calibration", default="min-max", show_default=True, type=click.Choice(_METHODS))
@click.option(
    "--candidates",
    default="all",
    show_default=True,
    type=click.Choice(["all", "first"]),
    help="first: only the int8 scheme that the target's profile names first, which is quicker.",
)
@click.option(
    "--plain",
    is_flag=True,
    help="Int8 as calibration gives it; try nothing more where it does not agree.",
)
@click.option("--rounds", default=30, show_default=True, type=click.IntRange(min=10))
@click.option("--runs-per-round", default=10, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--threads", type=click.IntRange(min=1), help="For what is not timed; else all.")
@click.option("--measure-again", is_flag=True, help="Take new latency samples.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder of your own profiles.",
)
def quantize(model: Path, data: Path, target: str, out: Path | None, **options: Any) -> None:
    """Quantize MODEL, any float ONNX file, with unlabelled samples.

    Compares int8 twins in the target's schemes with the float model on samples that did not
    calibrate, measures (or, for a device that is away, estimates) all of them, and ships the
    fastest that agrees. What becomes of a picture is read from the model's metadata where it says
    so; else say it with --size, --channels, --scale, --mean, --std and --layout: the model takes
    (pixel * scale - mean) / std. Arrays (.npy, .npz) are taken as they are.

    A run that was stopped goes on with the same command.
    """
    import edgedistill
    from edgedistill.cli.console import progress
    from edgedistill.render.quantized import quantize_page

    if options.pop("plain"):
        options["methods"] = ()
    preprocessing = taken_preprocessing(options)
    run = edgedistill.quantize(
        model,
        data,
        target,
        out=out,
        preprocessing=preprocessing,
        progress=progress(),
        **options,
    )
    if not run.steps_made:
        click.echo(f"Nothing to do: all {run.steps_reused} steps are stored in {run.folder}.")
    click.echo(quantize_page(run.report), nl=False)
    click.echo(f"{run.model}")
