"""`edgedistill schema`: JSON Schemas for editors."""

from __future__ import annotations

import click

KINDS = (
    "recipe",
    "profile",
    "shape",
    "report",
    "quantize-report",
    "estimate",
    "diagnosis",
    "comparison",
    "baseline",
    "device-report",
    "manifest",
    "gate",
    "budgets",
)


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
def schema(kind: str) -> None:
    """Print the JSON Schema of a document that is read or written here."""
    import edgedistill

    click.echo(edgedistill.schema(kind), nl=False)
