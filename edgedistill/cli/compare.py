"""`edgedistill compare`: what one ONNX file does otherwise than another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgedistill.cli.picture_options import picture_options, taken_preprocessing


@click.command()
@click.argument("first", type=click.Path(path_type=Path), metavar="A.onnx")
@click.argument("second", type=click.Path(path_type=Path), metavar="B.onnx")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder with a folder of pictures for each class; pictures without classes; .npy or "
    ".npz files, a .npz with labels and groups where there are some; or a CSV file of texts.",
)
@click.option("--target", default="host", show_default=True, metavar="NAME", help="The device.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; else B.against.A.")
@picture_options
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path),
    help="Of texts: tokenizer.json; else as the models' metadata says.",
)
@click.option("--max-tokens", type=click.IntRange(min=1), help="Of texts: tokens of a sample.")
@click.option("--text-column", help="Of a CSV file: its texts; else text.")
@click.option("--label-column", help="Of a CSV file: their classes; else label.")
@click.option("--group-column", help="Of a CSV file: what a text belongs to, where it says so.")
@click.option("--labels/--no-labels", default=True, help="Leave labels alone where there are some.")
@click.option(
    "--class-names",
    type=click.Path(path_type=Path),
    help="A text file with a class a line, in the order of the models' outputs.",
)
@click.option("--samples", type=click.IntRange(min=1), help="At most so many, drawn; else all.")
@click.option(
    "--examples",
    default=24,
    show_default=True,
    type=click.IntRange(min=0),
    help="Samples that only B gets wrong, kept to be looked at; 0 for private data.",
)
@click.option("--latency/--no-latency", default=True, help="Measure both in interleaved rounds.")
@click.option("--rounds", default=30, show_default=True, type=click.IntRange(min=10))
@click.option("--runs-per-round", default=10, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--threads", type=click.IntRange(min=1), help="For what is not timed; else all.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder of your own profiles.",
)
def compare(first: Path, second: Path, data: Path, **options: Any) -> None:
    """Say what B does otherwise than A, any two ONNX files that take the same samples.

    With labels: accuracy by class and group, flips, calibration error, and the samples that only B
    gets wrong. Without: how near the outputs are and how often answers differ. What becomes of a
    picture is read from the models' metadata where it says so; else say it with --size,
    --channels, --scale, --mean, --std and --layout.

    Writes compare.json, compare.md and compare.html. A difference is no failure: the exit code is
    0.
    """
    import edgedistill
    from edgedistill.cli.console import progress
    from edgedistill.render.comparison import comparison_page

    preprocessing = taken_preprocessing(options)
    tokens = {"tokenizer": options.pop("tokenizer"), "max_tokens": options.pop("max_tokens")}
    preprocessing |= {
        key: str(value) if isinstance(value, Path) else value
        for key, value in tokens.items()
        if value is not None
    }
    named = {role: options.pop(f"{role}_column") for role in ("text", "label", "group")}
    run = edgedistill.compare(
        first,
        second,
        data,
        preprocessing=preprocessing,
        columns={role: name for role, name in named.items() if name is not None},
        progress=progress(),
        **options,
    )
    click.echo(comparison_page(run.comparison), nl=False)
    click.echo(f"{run.folder}")
