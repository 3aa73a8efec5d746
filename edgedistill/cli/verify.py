"""`edgedistill verify`: the files of a run against the hashes in its manifest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.pass_context
def verify(context: click.Context, folder: Path) -> None:
    """Hold the files of FOLDER (a run, or one of its targets) against its manifest.

    Exit 0 where all hashes hold, 1 where a file differs or is missing, 2 where there is nothing
    that can be verified.
    """
    import edgedistill

    result = edgedistill.verify(folder)
    click.echo(str(result))
    context.exit(result.exit_code)
