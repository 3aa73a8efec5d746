"""`edgedistill doctor`: what a target dislikes about any ONNX file, with cost and remedy."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--target",
    required=True,
    metavar="NAME",
    help="A profile's name, or the path of your own (.yaml).",
)
@click.option("--runtime", metavar="NAME", help="One of the profile's; else its default one.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder of your own profiles, searched beside those that ship.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write findings here.")
def doctor(
    model: Path,
    target: str,
    runtime: str | None,
    folders: tuple[Path, ...],
    json_file: Path | None,
) -> None:
    """Say what a target dislikes about MODEL, what that costs, and what to do.

    MODEL is any ONNX file, float or int8, made here or not: what falls back to float, fusions lost
    to stray quantizers, saturation, outlier channels, shapes and types that kernels dislike.
    Findings are no failure: the exit code is 0.
    """
    import edgedistill
    from edgedistill.render.findings import diagnosis_page

    found = edgedistill.doctor(model, target=target, runtime=runtime, folders=folders)
    click.echo(diagnosis_page(found), nl=False)
    if json_file is not None:
        edgedistill.save_diagnosis(found, json_file)
