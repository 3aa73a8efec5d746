"""`edgedistill init`: a recipe to start from."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Write a commented recipe and its JSON Schema into FOLDER."""
    import edgedistill

    for path in edgedistill.init(folder):
        click.echo(f"wrote {path}")
    click.echo(f"Edit it, then run: edgedistill compress {folder / 'recipe.yaml'}")
