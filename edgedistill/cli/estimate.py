"""`edgedistill estimate`: what a network will cost on devices that nobody has plugged in."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    metavar="NAME",
    help="A profile's name, or the path of your own (.yaml); may be given several times.",
)
@click.option("--runtime", metavar="NAME", help="One of the profile's; else its default one.")
@click.option(
    "--precision",
    metavar="fp32|fp16|int8",
    help="What the network is to compute with; else what the file does.",
)
@click.option("--threads", type=int, metavar="N", help="Else as many as the profile says.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder of your own profiles, searched beside those that ship.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def estimate(
    model: Path,
    targets: tuple[str, ...],
    runtime: str | None,
    precision: str | None,
    threads: int | None,
    folders: tuple[Path, ...],
    json_file: Path | None,
) -> None:
    """Estimate what one inference of MODEL costs on each target, and how sure that is.

    Latency with its 90 % interval, what it rests on and where the time goes; memory, energy and
    size. Nothing is measured, and nothing is said where nothing is known.
    """
    import edgedistill
    from edgedistill.render.estimate import estimates_page

    found = edgedistill.estimate_targets(
        model, targets, runtime=runtime, precision=precision, threads=threads, folders=folders
    )
    click.echo(estimates_page(found.estimates), nl=False)
    if json_file is not None:
        found.save(json_file)
