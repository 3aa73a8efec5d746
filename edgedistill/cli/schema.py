"""`edgedistill schema`: JSON Schemas for editors."""

from __future__ import annotations

import click


@click.command()
@click.argument("kind", type=click.Choice(["recipe", "profile", "report"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of a recipe, a target profile or a report."""
    import edgedistill

    click.echo(edgedistill.schema(kind), nl=False)
